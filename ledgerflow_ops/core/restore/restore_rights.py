"""The rights that an account needs on the server to restore a database, and those that it lacks.

A restore creates a database beside the live one and renames both (decision 41): CREATE DATABASE and
ALTER DATABASE … RENAME need CREATEDB, the rename also the rights of the owner. pg_restore gives each object
to its owner, and goes on working on it: the account needs to be a member of every owner, with INHERIT and SET
(PostgreSQL manual: ALTER DATABASE, ALTER TABLE, and the notes of pg_restore).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ledgerflow_ops.core.hints import NO_HINT, Hint, make
from ledgerflow_ops.core.postgres.qualified_names import quote

ADMIN_SETTING = "admin_database_url"
_GRANT_OPTIONS = 160000
"""From this version on GRANT of a role has the options INHERIT and SET."""
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class MissingRight:
    """A right that a restore's account lacks. `statement` grants it; empty where only a superuser may."""

    message: str
    statement: str = ""


@dataclass(frozen=True, slots=True)
class ObjectOwner:
    """A role that owns objects of the database and whose objects the account may not create."""

    name: str
    superuser: bool


@dataclass(frozen=True, slots=True)
class RestoreAccount:
    """The account on the server of a restore. `version` is server_version_num.

    `database_owner` is the owner of the live database, `owns_database` whether the account has its rights;
    `owners` are the roles that own objects in it and whose rights it lacks; `superuser_only` are objects that
    only a superuser may create; `missing_roles` are the newest backup's roles that the server lacks.
    `standby` says that the server is in recovery.
    """

    name: str
    version: int
    superuser: bool
    createdb: bool
    createrole: bool
    inherit: bool
    database: str
    database_owner: ObjectOwner | None = None
    owns_database: bool = True
    owners: tuple[ObjectOwner, ...] = ()
    superuser_only: tuple[str, ...] = ()
    missing_roles: tuple[str, ...] = ()
    standby: bool = False


@dataclass(frozen=True, slots=True)
class RestoreRights:
    """Whether the account may restore: what it lacks, or why that is not known.

    `setting` is the one that names another account.
    """

    account: str
    missing: tuple[MissingRight, ...] = ()
    unknown: str = ""
    unknown_hint: Hint = NO_HINT
    setting: str = ADMIN_SETTING

    @property
    def state(self) -> str:
        """`present`, `missing` or `not known`."""
        return "not known" if self.unknown else "missing" if self.missing else "present"

    @property
    def sentence(self) -> str:
        """`restore rights: missing`, and why, for people."""
        why = self.unknown or " ".join(right.message for right in self.missing)
        return f"restore rights: {self.state}" + (f". {why}" if why else f": {self.account} may restore")

    @property
    def hint(self) -> Hint:
        if self.unknown:
            return self.unknown_hint or Hint(make("doctor"), " tries it.")
        return rights_hint(self.missing, self.setting) if self.missing else NO_HINT

    def as_json(self, environment: str) -> dict[str, Any]:
        return {
            "state": self.state,
            "account": self.account,
            "missing": [right.message for right in self.missing],
            "error": self.unknown,
            "hint": str(self.hint.within(environment)),
        }


def missing_rights(account: RestoreAccount) -> list[MissingRight]:
    """Everything that the account may not do and a restore does. Nothing for a superuser on a primary."""
    if account.standby:
        return [MissingRight("The server is a standby (in recovery): nothing can be restored into it.")]
    return [] if account.superuser else list(_missing(account))


def may_not_create_databases(account: str) -> MissingRight:
    return MissingRight(f"{account} may not create databases.", f"ALTER ROLE {quote(account)} CREATEDB;")


def may_not_create_roles(account: str, roles: Sequence[str]) -> MissingRight:
    """The account lacks CREATEROLE, and these roles of the backup are not on the server."""
    sentence = f"Missing roles, which {account} may not create: {_listed(roles)}."
    return MissingRight(sentence, f"ALTER ROLE {quote(account)} CREATEROLE;")


def rights_hint(missing: Iterable[MissingRight], setting: str = ADMIN_SETTING) -> Hint:
    """The SQL that a superuser types, and the setting that names another account."""
    listed = list(missing)
    another = f"set {setting} to an account that may (see docs/setup.md)."
    statements = " ".join(dict.fromkeys(right.statement for right in listed if right.statement))
    if not statements:
        return Hint(f"S{another[1:]}")
    if all(right.statement for right in listed):
        return Hint(f"As a superuser, in psql: {statements} Or {another}")
    return Hint(f"As a superuser, in psql: {statements} For what is left, {another}")


def _missing(account: RestoreAccount) -> Iterator[MissingRight]:
    if not account.createdb:
        yield may_not_create_databases(account.name)
    if account.database_owner and not account.owns_database:
        message = f"{account.name} does not own {account.database} (owner {account.database_owner.name})."
        yield MissingRight(message, _membership(account, [account.database_owner]))
    if owners := [owner for owner in account.owners if owner != account.database_owner]:
        message = f"{account.name} may not create the objects of {_listed([owner.name for owner in owners])}."
        yield MissingRight(message, _membership(account, owners))
    if account.superuser_only:
        yield MissingRight(f"Only a superuser may create: {_listed(account.superuser_only)}.")
    if account.missing_roles and not account.createrole:
        yield may_not_create_roles(account.name, account.missing_roles)


def _membership(account: RestoreAccount, owners: Sequence[ObjectOwner]) -> str:
    """The statements that make the account a member; empty where an owner is a superuser."""
    if any(owner.superuser for owner in owners):
        return ""
    member, groups = quote(account.name), ", ".join(quote(owner.name) for owner in owners)
    if account.version >= _GRANT_OPTIONS:
        return f"GRANT {groups} TO {member} WITH INHERIT TRUE, SET TRUE;"
    return f"GRANT {groups} TO {member};" + ("" if account.inherit else f" ALTER ROLE {member} INHERIT;")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
