"""Creates roles from a seal, for backups without a roles file."""

from collections.abc import Mapping

from psycopg import sql

from ledgerflow_ops.core.catalog.manifest import RoleFacts


def create_role_statements(roles: Mapping[str, RoleFacts]) -> list[sql.Composed]:
    """The statements that create these roles with their attributes, then their memberships."""
    created = [
        sql.SQL(f"CREATE ROLE {{}} {_attributes(role)}").format(sql.Identifier(name))
        for name, role in roles.items()
    ]
    granted = [
        sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(name))
        for name, role in roles.items()
        for group in role.member_of
    ]
    return created + granted


def _attributes(role: RoleFacts) -> str:
    """A sealed role's attributes in the syntax of CREATE ROLE; NOINHERIT if it lacks INHERIT."""
    inherits = "" if "INHERIT" in role.attributes.split() else "NOINHERIT "
    return inherits + role.attributes.replace("LIMIT", "CONNECTION LIMIT")
