"""Detects changes in an environment's folder that this system did not make, and remembers what it saw.

In the state folder, `watch/ENV.json` has the open findings and a digest of all files, `watch/ENV.files.json`
the files. The latter is read only when the digest differs, so that checking ten thousand unchanged backups is
cheap.
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
from ledgerflow_ops.operations import quarantined, removal_history, summaries
from ledgerflow_ops.operations.context import EnvironmentContext

_HISTORY_FILE = re.compile(r"(?P<longest>(?:(?P<stem>.*)\.[0-9a-f]{8})|.*)\.[a-z]+\.json", re.DOTALL)


def detect_drift(env: EnvironmentContext) -> tuple[list[ListedDump], list[Finding], bool]:
    """Every dump of the environment, the drift since the last check, and whether the folder exists.

    While an operation holds the environment's lock, no new drift is reported and nothing is remembered.
    """
    state = env.ctx.settings.state_dir
    before = locks.lock_holder(state, env.environment)
    listing = env.store.listing()
    unreadable: list[str] = []
    remembered = _load(env, unreadable)
    if not listing.exists:
        return [], _lost_state_findings(env, unreadable), remembered is None
    listed, mark = summaries.list_with_digest(env, listing)
    unchanged = remembered is not None and remembered.quiet and remembered.mark == mark
    if remembered is not None and not unchanged:
        remembered = replace(remembered, files=_load_files(env, unreadable))
    view = _view_folder(env, listing, listed, mark, unchanged=unchanged)
    busy = before is not None or locks.lock_holder(state, env.environment) is not None
    findings, after = drift.find_drift(remembered, view, env.ctx.clock(), busy=busy)
    if after != remembered:
        _save(env, after, files=not unchanged)
    return listed, [*findings, *_lost_state_findings(env, unreadable)], True


def _view_folder(
    env: EnvironmentContext, listing: Listing, listed: list[ListedDump], mark: str, *, unchanged: bool
) -> FolderView:
    """The folder as core compares it; without its files where none has changed."""
    files: dict[str, FileState] = {}
    if not unchanged:
        files = {
            name: FileState(stat.size, stat.modified_ns, stat.identity, stat.evicted)
            for name, stat in listing.files.items()
        }
    rotated = {stem for name in removal_history.history_store(env).listing().files for stem in _stems(name)}
    rotated |= {record.name.stem for record in quarantined.quarantined_backups(env)}
    return FolderView(
        environment=env.environment,
        files=files,
        listed=listed,
        rotated=rotated.__contains__,
        exposed=_exposed(listing),
        folder=env.store.location,
        mark=mark,
    )


def _exposed(listing: Listing) -> list[str]:
    """The folder and the files of backups that others may change, or that others own."""
    not_private = [name for name, stat in listing.files.items() if not stat.private]
    return [*listing.shared, *sorted(filter(drift.is_ours, not_private))]


def _stems(name: str) -> Iterator[str]:
    """The stems of the backups that a file of the history may belong to: its name without suffix, also
    without the digest that follows the stem where the stem was in use (`removal_history.unused_key`)."""
    if left := _HISTORY_FILE.fullmatch(name):
        yield left["longest"]
        if left["stem"]:
            yield left["stem"]


def _lost_state_findings(env: EnvironmentContext, unreadable: list[str]) -> list[Finding]:
    """A finding that the last state is lost. Unlike the index, it cannot be rebuilt."""
    if not unreadable:
        return []
    text = (
        f"The record of files seen in {env.store.location} cannot be read ({', '.join(unreadable)}); a new "
        "one was begun. What was removed or changed there since the last check is not known."
    )
    hint = Hint(
        make("status", env.environment), " shows the backups that are there; ", make("verify"), " reads one."
    )
    return [Finding(env.environment, "forgotten", "files", Level.WARNING, text, hint)]


def _load(env: EnvironmentContext, unreadable: list[str]) -> DriftState | None:
    """The remembered state without the files; None where there is none, or it is unreadable."""
    data = cache.load(_file(env))
    try:
        return drift.decode(decode_sealed(data, "drift")) if data is not None else None
    except (BadBackup, KeyError, TypeError, ValueError, AttributeError):
        unreadable.append(_file(env).name)
        return None


def _load_files(env: EnvironmentContext, unreadable: list[str]) -> dict[str, FileState]:
    data = cache.load(_file(env, ".files"))
    try:
        if data is not None:
            return drift.decode_files(decode_sealed(data, "drift"))
    except (BadBackup, KeyError, TypeError, ValueError, AttributeError):
        pass
    unreadable.append(_file(env, ".files").name)
    return {}


def _save(env: EnvironmentContext, state: DriftState, *, files: bool) -> None:
    """Save the state. The digest is written last, since it says that the files need not be read."""
    if not files or cache.save(_file(env, ".files"), encode_sealed(drift.encode_files(state))):
        cache.save(_file(env), encode_sealed(drift.encode(state)))


def _file(env: EnvironmentContext, part: str = "") -> Path:
    return env.ctx.settings.state_dir / "watch" / f"{env.environment}{part}.json"
