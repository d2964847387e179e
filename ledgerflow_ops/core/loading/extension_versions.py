"""Extensions that a load made in another version than the source has: what is missing may be theirs."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OfferedVersions:
    """What a server has of an extension: the version that CREATE EXTENSION makes, and all that it could."""

    default: str
    versions: frozenset[str]


def missing_versions(sealed: Mapping[str, str], here: Mapping[str, OfferedVersions]) -> str:
    """The source's versions that this machine does not have, as a sentence; empty for none."""
    missing = [
        f"{name} {version} (here: {here[name].default})"
        for name, version in sorted(sealed.items())
        if name in here and version not in here[name].versions
    ]
    return f"This machine lacks the source's version of extensions: {'; '.join(missing)}." if missing else ""


def update_statements(sealed: Mapping[str, str], here: Mapping[str, OfferedVersions]) -> str:
    """The SQL that gives the source what a load makes of its extensions; empty where they are the same."""
    quoted = ((name.replace('"', '""'), name) for name in sorted(sealed))
    return " ".join(
        f"ALTER EXTENSION \"{form}\" UPDATE TO '{here[name].default}';"
        for form, name in quoted
        if name in here and sealed[name] != here[name].default and sealed[name] in here[name].versions
    )
