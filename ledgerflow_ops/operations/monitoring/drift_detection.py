"""Looks for what was changed in an environment's folder outside of the system, and remembers what it saw.

In the state folder, `watch/ENV.json` has what is told and a mark of all files, `watch/ENV.files.json` the
files: read only when the mark is another, so that a look at ten thousand backups that rest is cheap.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ledgerflow_ops.adapters.storage import cache
from ledgerflow_ops.adapters.storage.stored_file import Listing
from ledgerflow_ops.adapters.system import locks
from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.catalog.backup_summary import ListedDump
from ledgerflow_ops.core.catalog.manifest import decode_sealed, encode_sealed
from ledgerflow_ops.core.errors import BadBackup
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.monitoring import drift
from ledgerflow_ops.core.monitoring.drift import DriftState, FileState, FolderView
from ledgerflow_ops.operations import removal_history, summaries
from ledgerflow_ops.operations.context import EnvironmentContext

_HISTORY_FILE = re.compile(r"(?P<longest>(?:(?P<stem>.*)\.[0-9a-f]{8})|.*)\.[a-z]+\.json", re.DOTALL)


def detect_drift(env: EnvironmentContext) -> tuple[list[ListedDump], list[Finding], bool]:
    """Every dump of the environment, what has drifted since the last look, and whether the folder is there.

    Nothing is told anew, and nothing learnt, while an operation holds the environment's lock.
    """
    state = env.ctx.settings.state_dir
    before = locks.holder(state, env.environment)
    seen = env.store.listing()
    lost: list[str] = []
    known = _load(env, lost)
    if not seen.there:
        return [], _lost_state_findings(env, lost), known is None
    listed, mark = summaries.list_with_digest(env, seen)
    rests = known is not None and known.quiet and known.mark == mark
    if known is not None and not rests:
        known = replace(known, files=_load_files(env, lost))
    looked = _view_folder(env, seen, listed, mark, rests=rests)
    busy = before is not None or locks.holder(state, env.environment) is not None
    found, after = drift.find_drift(known, looked, env.ctx.clock(), busy=busy)
    if after != known:
        _save(env, after, files=not rests)
    return listed, [*found, *_lost_state_findings(env, lost)], True


def _view_folder(
    env: EnvironmentContext, seen: Listing, listed: list[ListedDump], mark: str, *, rests: bool
) -> FolderView:
    """The folder for core; without its files where none of them has changed."""
    files: dict[str, FileState] = {}
    if not rests:
        files = {
            name: FileState(stat.size, stat.modified_ns, stat.identity, stat.evicted)
            for name, stat in seen.files.items()
        }
    gone = {stem for name in removal_history.history_store(env).listing().files for stem in _stems(name)}
    return FolderView(
        environment=env.environment,
        files=files,
        listed=listed,
        rotated=gone.__contains__,
        exposed=_exposed(seen),
        folder=env.store.location,
        mark=mark,
    )


def _exposed(seen: Listing) -> list[str]:
    """The files of backups that others may touch, or that are not ours; the folder among them."""
    wrong = [name for name, stat in seen.files.items() if not stat.private]
    return [*seen.shared, *sorted(filter(drift.is_ours, wrong))]


def _stems(name: str) -> Iterator[str]:
    """The stems of the backups that a file of the history may be of: its name without what kind of file it
    is, and without the digest that follows the stem where the stem was taken already."""
    if left := _HISTORY_FILE.fullmatch(name):
        yield left["longest"]
        if left["stem"]:
            yield left["stem"]


def _lost_state_findings(env: EnvironmentContext, lost: list[str]) -> list[Finding]:
    """That what was seen last is not known: unlike the index, it cannot be made again."""
    if not lost:
        return []
    text = (
        f"What was seen last in {env.store.location} cannot be read ({', '.join(lost)}) and is begun anew: "
        "what was removed or changed there since the last look is not known."
    )
    hint = Hint(
        make("status", env.environment), " shows the backups that are there; ", make("verify"), " reads one."
    )
    return [Finding(env.environment, "forgotten", "files", Level.WARNING, text, hint)]


def _load(env: EnvironmentContext, lost: list[str]) -> DriftState | None:
    """What is remembered, without the files; None where nothing is, or it is `lost`."""
    data = cache.load(_file(env))
    try:
        return drift.decode(decode_sealed(data, "drift")) if data is not None else None
    except (BadBackup, KeyError, TypeError, ValueError, AttributeError):
        lost.append(_file(env).name)
        return None


def _load_files(env: EnvironmentContext, lost: list[str]) -> dict[str, FileState]:
    data = cache.load(_file(env, ".files"))
    try:
        if data is not None:
            return drift.decode_files(decode_sealed(data, "drift"))
    except (BadBackup, KeyError, TypeError, ValueError, AttributeError):
        pass
    lost.append(_file(env, ".files").name)
    return {}


def _save(env: EnvironmentContext, known: DriftState, *, files: bool) -> None:
    """Remember; the mark last, for it says that the files need not be looked at."""
    if not files or cache.save(_file(env, ".files"), encode_sealed(drift.encode_files(known))):
        cache.save(_file(env), encode_sealed(drift.encode(known)))


def _file(env: EnvironmentContext, part: str = "") -> Path:
    return env.ctx.settings.state_dir / "watch" / f"{env.environment}{part}.json"
