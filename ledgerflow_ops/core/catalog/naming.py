"""The names of a backup's files."""

import re
from dataclasses import dataclass
from datetime import datetime

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import SettingsError
from ledgerflow_ops.core.hints import Hint

DUMP = ".dump"
FILES = ".files.tar.zst"
GLOBALS = ".globals.sql"
MANIFEST = ".manifest.json"
PROOF = ".proof.json"
PIN = ".pin.json"
PARTIAL = ".partial"

OURS = (DUMP, FILES, GLOBALS, MANIFEST, PROOF, PIN)
"""The endings of files that this system writes; a `.partial` of any other file is not ours."""

MAGIC = b"PGDMP"
"""The first bytes of every archive in pg_dump's custom format."""

_CUSTOM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.dump")
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class BackupName:
    """The stem of the names that a dump and the files beside it share."""

    stem: str

    @classmethod
    def of(cls, file: str) -> "BackupName":
        """The name behind any of a backup's files (`x.dump`, `x.manifest.json`, …)."""
        for ending in OURS:
            if file.endswith(ending):
                return cls(file.removesuffix(ending))
        raise ValueError(f"{file!r} is not the name of a backup's file")

    @property
    def dump(self) -> str:
        return self.stem + DUMP

    @property
    def files(self) -> str:
        return self.stem + FILES

    @property
    def globals(self) -> str:
        return self.stem + GLOBALS

    @property
    def manifest(self) -> str:
        return self.stem + MANIFEST

    @property
    def proof(self) -> str:
        return self.stem + PROOF

    @property
    def pin(self) -> str:
        return self.stem + PIN


def default_names(environment: Environment, local_now: datetime) -> tuple[BackupName, BackupName]:
    """The names for a backup begun at `local_now` (in the environment's time zone), in order of preference.

    Returns the name to the minute, and the one to the second in case the first is taken.
    """
    stem = f"ledgerflow_{environment}_{local_now:%Y%m%d}"
    return BackupName(f"{stem}_{local_now:%H%M}"), BackupName(f"{stem}_{local_now:%H%M%S}")


def custom_name(environment: Environment, file: str) -> BackupName:
    """The name given with FILE=; SettingsError (exit 2) unless it is a plain name that fits the
    environment.
    """
    hint = Hint("Give a plain name inside the environment's folder, such as FILE=before_migration.dump.")
    if len(file) > _LONGEST or not _CUSTOM.fullmatch(file) or ".." in file:
        raise SettingsError(f"FILE={file!r} is not a plain name that ends in .dump.", hint=hint)
    words = re.split(r"[._-]+", file.lower())
    for other in Environment:
        if other is not environment and other in words:
            raise SettingsError(
                f"FILE={file!r} names the environment {other}, but this is a backup of {environment}.",
                hint=Hint(f"Leave the word {other!r} out of the name, or set LEDGER_ENV={other}"),
            )
    return BackupName.of(file)


def claimed_environment(name: BackupName) -> Environment | None:
    """The environment that a name in the standard form claims, or None."""
    match = re.match(r"ledgerflow_([a-z]+)_", name.stem)
    return Environment(match[1]) if match and match[1] in set(Environment) else None


def claimed_instant(name: BackupName) -> datetime | None:
    """The local time (without zone) that a name in the standard form claims, or None."""
    match = re.fullmatch(r"ledgerflow_[a-z]+_(\d{8})_(\d{4}(?:\d{2})?)", name.stem)
    if not match:
        return None
    form = "%Y%m%d%H%M%S" if len(match[2]) == 6 else "%Y%m%d%H%M"
    try:
        return datetime.strptime(match[1] + match[2], form)  # noqa: DTZ007 - a local time on purpose
    except ValueError:
        return None
