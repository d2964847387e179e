"""Looks for what was changed in an environment's folder outside of the system, and remembers what it saw.

In the state folder, `watch/ENV.json` has what is told and a mark of all files, `watch/ENV.files.json` the
files: read only when the mark is another, so that a look at ten thousand backups that rest is cheap.
"""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ledgerflow_ops.adapters import cache, locks, sight
from ledgerflow_ops.adapters.sight import Sight
from ledgerflow_ops.core import drift
from ledgerflow_ops.core.alerts import Finding, Level
from ledgerflow_ops.core.drift import Known, Look, Seen
from ledgerflow_ops.core.errors import BadBackup
from ledgerflow_ops.core.manifest import decode_sealed, encode_sealed
from ledgerflow_ops.core.summary import Listed
from ledgerflow_ops.operations import summaries
from ledgerflow_ops.operations.desk import Site

HISTORY = "history"
"""The folder below the backups in which rotation leaves the manifests of those it took away."""

_LEFT = re.compile(r"(?P<longest>(?:(?P<stem>.*)\.[0-9a-f]{8})|.*)\.[a-z]+\.json", re.DOTALL)
_OTHERS = 0o077


def look(site: Site) -> tuple[list[Listed], list[Finding], bool]:
    """Every dump of the environment, what has drifted since the last look, and whether the folder is there.

    Nothing is told anew, and nothing learnt, while an operation holds the environment's lock.
    """
    state = site.desk.settings.state_dir
    before = locks.holder(state, site.environment)
    seen = sight.look(site.folder.path)
    lost: list[str] = []
    known = _load(site, lost)
    if not seen.there:
        return [], _forgotten(site, lost), known is None
    listed, mark = summaries.marked(site, seen)
    rests = known is not None and known.quiet and known.mark == mark
    if known is not None and not rests:
        known = replace(known, files=_load_files(site, lost))
    looked = _look(site, seen, listed, mark, rests=rests)
    busy = before is not None or locks.holder(state, site.environment) is not None
    found, after = drift.compare(known, looked, site.desk.clock(), busy=busy)
    if after != known:
        _save(site, after, files=not rests)
    return listed, [*found, *_forgotten(site, lost)], True


def _look(site: Site, seen: Sight, listed: list[Listed], mark: str, *, rests: bool) -> Look:
    """The folder for core; without its files where none of them has changed."""
    files: dict[str, Seen] = {}
    if not rests:
        files = {
            name: Seen(facts.st_size, facts.st_mtime_ns, facts.st_ino, seen.evicted(name))
            for name, facts in seen.files.items()
        }
        files |= {name: Seen(0, 0, 0, away=True) for name in seen.placeholders - set(files)}
    gone = {stem for name in sight.look(site.folder.path / HISTORY).files for stem in _stems(name)}
    return Look(
        environment=site.environment,
        files=files,
        listed=listed,
        rotated=gone.__contains__,
        exposed=_exposed(site, seen),
        folder=str(site.folder.path),
        mark=mark,
    )


def _exposed(site: Site, seen: Sight) -> list[str]:
    """The files of backups that others may touch, or that are not ours; the folder among them."""
    me = os.geteuid()
    wrong = [
        name
        for name, facts in seen.files.items()
        if (facts.st_mode & _OTHERS and not stat.S_ISLNK(facts.st_mode)) or facts.st_uid != me
    ]
    folder = ["the folder itself"] if site.folder.path.stat().st_mode & _OTHERS else []
    return folder + sorted(filter(drift.is_ours, wrong))


def _stems(name: str) -> Iterator[str]:
    """The stems of the backups that a file of the history may be of: its name without what kind of file it
    is, and without the digest that follows the stem where the stem was taken already."""
    if left := _LEFT.fullmatch(name):
        yield left["longest"]
        if left["stem"]:
            yield left["stem"]


def _forgotten(site: Site, lost: list[str]) -> list[Finding]:
    """That what was seen last is not known: unlike the index, it cannot be made again."""
    if not lost:
        return []
    text = (
        f"What was seen last in {site.folder.path} cannot be read ({', '.join(lost)}) and is begun anew: "
        "what was removed or changed there since the last look is not known."
    )
    hint = (
        f"LEDGER_ENV={site.environment} make status shows the backups that are there; make verify reads one."
    )
    return [Finding(site.environment, "forgotten", "files", Level.WARNING, text, hint)]


def _load(site: Site, lost: list[str]) -> Known | None:
    """What is remembered, without the files; None where nothing is, or it is `lost`."""
    data = cache.load(_file(site))
    try:
        return drift.decode(decode_sealed(data, "drift")) if data is not None else None
    except (BadBackup, KeyError, TypeError, ValueError, AttributeError):
        lost.append(_file(site).name)
        return None


def _load_files(site: Site, lost: list[str]) -> dict[str, Seen]:
    data = cache.load(_file(site, ".files"))
    try:
        if data is not None:
            return drift.decode_files(decode_sealed(data, "drift"))
    except (BadBackup, KeyError, TypeError, ValueError, AttributeError):
        pass
    lost.append(_file(site, ".files").name)
    return {}


def _save(site: Site, known: Known, *, files: bool) -> None:
    """Remember; the mark last, for it says that the files need not be looked at."""
    if not files or cache.save(_file(site, ".files"), encode_sealed(drift.encode_files(known))):
        cache.save(_file(site), encode_sealed(drift.encode(known)))


def _file(site: Site, part: str = "") -> Path:
    return site.desk.settings.state_dir / "watch" / f"{site.environment}{part}.json"
