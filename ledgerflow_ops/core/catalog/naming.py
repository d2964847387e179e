"""The names of a backup's files. Those that hold data end in `.age` where they are encrypted."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
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

AGE = ".age"
"""What the name of an encrypted file ends with, after its own ending; the `age` program opens it."""

DUMPS, ARCHIVES = (DUMP, DUMP + AGE), (FILES, FILES + AGE)
DATA = (*DUMPS, *ARCHIVES, GLOBALS, GLOBALS + AGE)
"""The endings of files that hold data."""
OURS = (*DATA, MANIFEST, PROOF, PIN)
"""The endings of files that this system writes; a `.partial` of any other file is not ours."""

MAGIC = b"PGDMP"
"""The first bytes of every archive in pg_dump's custom format."""

_CUSTOM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.dump(\.age)?")
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class BackupName:
    """The stem of the names that a dump and the files beside it share, and whether they are encrypted.

    The stem alone identifies a backup: names with the same one are equal.
    """

    stem: str
    encrypted: bool = field(default=False, compare=False)

    @classmethod
    def of(cls, file: str) -> "BackupName":
        """The name behind any of a backup's files (`x.dump`, `x.dump.age`, `x.manifest.json`, …).

        The name of a record does not say whether the data is encrypted: `among` does.
        """
        for ending in OURS:
            if file.endswith(ending):
                return cls(file.removesuffix(ending), ending.endswith(AGE))
        raise ValueError(f"{file!r} is not the name of a backup's file")

    def among(self, taken: Callable[[str], bool]) -> "BackupName":
        """The name whose dump is there, by `taken`; this one if neither is."""
        return next((name for name in self.both if taken(name.dump)), self)

    @property
    def both(self) -> "tuple[BackupName, BackupName]":
        """The encrypted and the plain name of this stem."""
        return BackupName(self.stem, encrypted=True), BackupName(self.stem)

    @property
    def dump(self) -> str:
        return self._data(DUMP)

    @property
    def files(self) -> str:
        return self._data(FILES)

    @property
    def globals(self) -> str:
        return self._data(GLOBALS)

    def _data(self, ending: str) -> str:
        return self.stem + ending + (AGE if self.encrypted else "")

    @property
    def manifest(self) -> str:
        return self.stem + MANIFEST

    @property
    def proof(self) -> str:
        return self.stem + PROOF

    @property
    def pin(self) -> str:
        return self.stem + PIN


def default_names(
    environment: Environment, local_now: datetime, *, encrypted: bool = False
) -> tuple[BackupName, BackupName]:
    """The names for a backup begun at `local_now` (in the environment's time zone), in order of preference.

    Returns the name to the minute, and the one to the second in case the first is taken.
    """
    stem = f"ledgerflow_{environment}_{local_now:%Y%m%d}"
    return (
        BackupName(f"{stem}_{local_now:%H%M}", encrypted),
        BackupName(f"{stem}_{local_now:%H%M%S}", encrypted),
    )


def is_encrypted(file: str) -> bool:
    """Whether a file of a backup is encrypted, by its name."""
    return file.endswith(AGE)


def custom_name(environment: Environment, file: str, *, encrypted: bool = False) -> BackupName:
    """The name given with FILE=, with or without `.age`; SettingsError (exit 2) unless it is a plain name
    that fits the environment.
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
    if is_encrypted(file) and not encrypted:
        raise SettingsError(
            f"FILE={file!r} is the name of an encrypted backup, and {environment} has no recipients.",
            hint=Hint(f"Set recipients of {environment} in ledgerflow.toml, or leave {AGE} out of the name."),
        )
    return BackupName(BackupName.of(file).stem, encrypted)


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
