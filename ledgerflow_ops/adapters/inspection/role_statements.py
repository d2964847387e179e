"""Makes roles from what a seal says of them, where there is no roles file."""

from collections.abc import Mapping

from psycopg import sql

from ledgerflow_ops.core.catalog.manifest import RoleFacts


def statements(roles: Mapping[str, RoleFacts]) -> list[sql.Composed]:
    """The statements that make these roles with their attributes, then their memberships."""
    made = [
        sql.SQL(f"CREATE ROLE {{}} {_attributes(role)}").format(sql.Identifier(name))
        for name, role in roles.items()
    ]
    granted = [
        sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(name))
        for name, role in roles.items()
        for group in role.member_of
    ]
    return made + granted


def _attributes(role: RoleFacts) -> str:
    """A sealed role's attributes as CREATE ROLE takes them: what it has, and INHERIT if it lacks that."""
    inherits = "" if "INHERIT" in role.attributes.split() else "NOINHERIT "
    return inherits + role.attributes.replace("LIMIT", "CONNECTION LIMIT")
