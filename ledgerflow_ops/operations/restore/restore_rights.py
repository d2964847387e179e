"""Finds out, before a restore is needed, whether the environment's account may carry one out."""

from dataclasses import replace

from ledgerflow_ops.adapters.connection.database import Connection, Database
from ledgerflow_ops.adapters.inspection import source, standby
from ledgerflow_ops.adapters.load import restore_account, restore_server
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.restore import restore_rights
from ledgerflow_ops.core.restore.restore_rights import RestoreAccount, RestoreRights
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.context import EnvironmentContext


def find_restore_rights(env: EnvironmentContext, *, attempt: bool = False) -> RestoreRights | None:
    """What the account that restores lacks; None for the sample, whose server is the program's own.

    A standby takes no restore, whatever the account may do.

    With `attempt` the rights to create databases and roles are also tried. Nothing is left on the server.
    An error becomes a result that is not known.
    """
    if env.is_sample:
        return None
    setting = "user in compose" if env.container else restore_rights.ADMIN_SETTING
    try:
        account = _read_account(env, env.target(), attempt=attempt)
    except LedgerError as error:
        return RestoreRights("", unknown=error.message, unknown_hint=error.hint, setting=setting)
    return RestoreRights(account.name, tuple(restore_rights.missing_rights(account)), setting=setting)


def _read_account(env: EnvironmentContext, target: Database, *, attempt: bool) -> RestoreAccount:
    name = target.parameters["dbname"]
    maintenance = restore_server.maintenance_database(target)
    with maintenance.connect() as connection:
        account = restore_account.read_account(connection, name)
        account = replace(account, standby=standby.primary_address(connection) is not None)
        if account.superuser or account.standby:
            return account
        account = _with_roles(env, connection, account)
        if attempt:
            account = _tried(connection, account)
        database = maintenance.named(name).without_event_triggers_if_allowed(connection)
    if account.database_owner is None:  # there is no such database yet
        return account
    with database.connect() as connection:
        owners = restore_account.read_owners(connection, account)
        return replace(account, owners=owners, superuser_only=restore_account.read_superuser_only(connection))


def _with_roles(env: EnvironmentContext, connection: Connection, account: RestoreAccount) -> RestoreAccount:
    """The account, with the roles of the newest backup that the server lacks."""
    newest = next((entry.manifest for entry in catalog.newest_first(env) if entry.manifest), None)
    missing = set(newest.seal.roles) - set(source.read_roles(connection)) if newest else set[str]()
    return replace(account, missing_roles=tuple(sorted(missing)))


def _tried(connection: Connection, account: RestoreAccount) -> RestoreAccount:
    """The account with the rights that the server really gives it."""
    createdb = restore_account.may_create_databases(connection)
    if not account.missing_roles:
        return replace(account, createdb=createdb)
    createrole = restore_account.may_create_roles(connection, account.missing_roles)
    return replace(account, createdb=createdb, createrole=createrole)
