"""Extensions whose version differs between the source and the server that an archive is loaded into.

A dump's CREATE EXTENSION names no version, so the server creates its default one (pg_dump.c,
dumpExtension). An object that a load lacks may belong to the source's version of an extension.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OfferedVersions:
    """The versions of an extension that a server offers; `default` is the one CREATE EXTENSION creates."""

    default: str
    versions: frozenset[str]


def missing_versions(sealed: Mapping[str, str], offered: Mapping[str, OfferedVersions]) -> str:
    """A sentence that lists the source's versions that this machine does not offer; empty if it has all."""
    missing = [
        f"{name} {version} (here: {offered[name].default})"
        for name, version in sorted(sealed.items())
        if name in offered and version not in offered[name].versions
    ]
    return f"This machine lacks the source's version of extensions: {'; '.join(missing)}." if missing else ""


def update_statements(sealed: Mapping[str, str], offered: Mapping[str, OfferedVersions]) -> str:
    """SQL that updates the source's extensions to the versions a load creates; empty if they are the same."""
    return " ".join(
        "ALTER EXTENSION \"{}\" UPDATE TO '{}';".format(name.replace('"', '""'), offered[name].default)
        for name, version in sorted(sealed.items())
        if name in offered and version != offered[name].default and version in offered[name].versions
    )
