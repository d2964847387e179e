"""Databases that caused problems somewhere, as files with the expected results.

A case is a script for psql in `ledgerflow_ops_tests/cases`, run as the superuser in the database `postgres`.
Lines of its head that begin with one of these words and a colon are read; the others are for people:

    -- source: owner/repository#number   where it was met, in public
    -- database: c01                     which of the databases it makes is the environment's
    -- servers: 17 18                    on which major versions it is run
    -- preload: pg_cron                  what its server preloads, beside which no other case runs
    -- meanwhile: SQL; SQL               what others do, over and over, while it is backed up
    -- text: rows merged                 rows may come back in another partition: lines are compared sorted
    -- text: titles given                or NULL::integer as NULL::integer AS int4
    -- expect: valid                     or the backup's exit code: 3 refused, 4 bad, 5 could not be judged
    -- says: words                       that the backup must print; once for each
    -- unrestored: words                 why it cannot be restored beside itself, though it is valid

The variable `folder` is a folder that the server may write into, with `one` and `two` in it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "cases"
_KEYS = (
    "source",
    "database",
    "servers",
    "preload",
    "pooler",
    "meanwhile",
    "text",
    "expect",
    "says",
    "unrestored",
)
_LINE = re.compile(rf"^-- (?P<key>{'|'.join(_KEYS)}): *(?P<value>.*\S)")


@dataclass(frozen=True)
class Case:
    """One file. `code` is the exit code that `ledgerflow backup` must have."""

    file: Path
    source: str
    database: str
    servers: tuple[int, ...]
    code: int
    says: tuple[str, ...] = ()
    preload: str = ""
    meanwhile: str = ""
    text: str = ""
    unrestored: str = ""

    @property
    def name(self) -> str:
        return self.file.stem


def read(file: Path) -> Case:
    """The case in that file; ValueError or KeyError when its head lacks something."""
    found: dict[str, list[str]] = {key: [] for key in _KEYS}
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("--"):
            break
        if match := _LINE.match(line):
            found[match["key"]].append(match["value"])
    head = {key: values[0] for key, values in found.items() if values}
    return Case(
        file=file,
        source=head.get("source", ""),
        database=head["database"],
        servers=tuple(map(int, head["servers"].split())),
        code=0 if head["expect"] == "valid" else int(head["expect"].split()[0]),
        says=tuple(found["says"]),
        preload=head.get("preload", ""),
        meanwhile=head.get("meanwhile", ""),
        text=head.get("text", ""),
        unrestored=head.get("unrestored", ""),
    )


def cases() -> Iterator[tuple[Case, int]]:
    """Every case with every major version that it is run on, those of one server together."""
    pairs = [(case, major) for case in map(read, sorted(FOLDER.glob("*.sql"))) for major in case.servers]
    yield from sorted(pairs, key=lambda pair: (pair[1], pair[0].preload, pair[0].name))
