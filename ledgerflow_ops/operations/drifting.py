"""Looks for what was changed in an environment's folder outside of the system, and remembers what it saw."""

import os
import stat
from pathlib import Path

from ledgerflow_ops.adapters import cache, locks, sight
from ledgerflow_ops.adapters.folder import Folder, is_dataless
from ledgerflow_ops.adapters.sight import Sight
from ledgerflow_ops.core import drift
from ledgerflow_ops.core.alerts import Finding
from ledgerflow_ops.core.drift import Known, Look, Seen
from ledgerflow_ops.core.errors import BadBackup
from ledgerflow_ops.core.manifest import decode_sealed, encode_sealed
from ledgerflow_ops.core.summary import Listed
from ledgerflow_ops.operations import summaries
from ledgerflow_ops.operations.desk import Site

HISTORY = "history"
"""The folder below the backups in which rotation leaves the manifests of those it took away."""


def look(site: Site) -> tuple[list[Listed], list[Finding], bool]:
    """Every dump of the environment, what has drifted since the last look, and whether the folder is there.

    Nothing is told anew, and nothing learnt, while an operation holds the environment's lock.
    """
    state = site.desk.settings.state_dir
    before = locks.holder(state, site.environment)
    seen = sight.look(site.folder.path)
    known = _load(site)
    if not seen.there:
        return [], [], not (known and known.files)
    listed = summaries.listed(site, seen)
    busy = before is not None or locks.holder(state, site.environment) is not None
    found, after = drift.compare(known, _look(site, seen, listed), site.desk.clock(), busy=busy)
    if after != known:
        cache.save(_file(site), encode_sealed(drift.encode(after)))
    return listed, found, True


def _look(site: Site, seen: Sight, listed: list[Listed]) -> Look:
    files = {
        name: Seen(
            facts.st_size,
            facts.st_mtime_ns,
            facts.st_ino,
            stat.S_IMODE(facts.st_mode),
            facts.st_uid,
            is_dataless(facts) or name in seen.placeholders,
        )
        for name, facts in seen.files.items()
    }
    files |= {name: Seen(0, 0, 0, owner=os.geteuid(), away=True) for name in seen.placeholders - set(files)}
    history = Folder(site.folder.path / HISTORY)
    # The name of what rotation took is its backup's, or that with a digest where another had it.
    gone = {name.partition(".")[0] for name in sight.look(history.path).files}
    return Look(
        environment=site.environment,
        files=files,
        listed=listed,
        rotated=lambda stem: stem.partition(".")[0] in gone,
        owner=os.geteuid(),
        folder=str(site.folder.path),
        folder_mode=stat.S_IMODE(site.folder.path.stat().st_mode),
    )


def _load(site: Site) -> Known | None:
    data = cache.load(_file(site))
    try:
        return drift.decode(decode_sealed(data, "drift")) if data else None
    except (BadBackup, KeyError, TypeError, ValueError, AttributeError):
        return None


def _file(site: Site) -> Path:
    return site.desk.settings.state_dir / "watch" / f"{site.environment}.json"
