"""Adopts a backup of a day that has passed, from the folder or from another location."""

from collections.abc import Iterator
from datetime import date, datetime

from ledgerflow_ops.adapters.storage.store import copy
from ledgerflow_ops.adapters.system import locks
from ledgerflow_ops.core.catalog import naming
from ledgerflow_ops.core.catalog.catalog import CatalogEntry
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import BadBackup, LedgerError, Refused
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.history.entry import Kind
from ledgerflow_ops.core.models import FileFacts
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.backup.file_placement import FilePlacement
from ledgerflow_ops.operations.cleanup import leftover_sweep
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import recording

_ROOM_FOR_RECORDS = 1_000_000


def backups_of_day(env: EnvironmentContext, day: date) -> list[CatalogEntry]:
    """The local backups of a day in a location that are not known to be bad: proven ones first, then newest
    first."""
    usable = [
        entry for entry in catalog.newest_first(env) if entry.day == day and not entry.bad and entry.local
    ]
    return [*(entry for entry in usable if entry.proven), *(entry for entry in usable if not entry.proven)]


def backup_of_night(env: EnvironmentContext, day: date, due: datetime, *, full_seal: bool) -> Manifest | None:
    """The backup already taken for the night that began at `due`, by a run that was killed before it could
    report it; None where it still has to be taken."""
    for entry in backups_of_day(env, day):
        manifest = entry.manifest
        enough = manifest is not None and (manifest.seal.depth == "full" or not full_seal)
        if manifest and enough and manifest.recovery_point >= due and manifest.sample == env.is_sample:
            return manifest
    return None


def rejection_reasons(env: EnvironmentContext, day: date) -> Iterator[str]:
    """Why dumps of that day in a location cannot be adopted, a sentence each."""
    folder = env.store.location
    for entry in catalog.entries(env):
        claimed = naming.claimed_instant(entry.name)
        if entry.manifest is None and not entry.problem and claimed and claimed.date() == day:
            yield f"{entry.name.dump} in {folder} has no manifest that says what it should hold."
        elif entry.day == day and entry.bad:
            yield f"{entry.name.dump} in {folder} is bad" + (f": {entry.problem}." if entry.problem else ".")
        elif entry.day == day and not entry.local:
            yield f"{entry.name.dump} in {folder} has its bytes in the cloud only."


def adopt_copy(env: EnvironmentContext, at: EnvironmentContext, entry: CatalogEntry) -> Manifest:
    """Copy a backup from the location `at` into the environment's folder, its manifest last.

    Its proof is not copied: the copy is verified again. Busy or Refused (3) before anything is touched,
    BadBackup (4) when its bytes are not those that its manifest commits, LedgerError (1) when there is no
    space. Nothing of it is kept then.
    """
    manifest = entry.manifest
    assert manifest is not None
    ctx = env.ctx
    with locks.environment_lock(ctx.settings.state_dir, env.environment, "adopt", ctx.clock()):
        env.store.prepare()
        leftover_sweep.sweep_before_operation(env)
        recording.require_committed(env, at.store, entry.name)
        _Adoption(env, at).carry_out(manifest, entry.name.manifest)
    ctx.journal("adopted", {"file": entry.name.dump, "day": manifest.backup_day, "from": at.store.location})
    return manifest


class _Adoption:
    """The adoption of one backup."""

    def __init__(self, env: EnvironmentContext, at: EnvironmentContext) -> None:
        self.env, self.at = env, at

    def carry_out(self, manifest: Manifest, name: str) -> None:
        archives = manifest.files.archives if manifest.files else ()
        files = [part for part in (manifest.dump, manifest.globals, *archives) if part]
        if self.env.store.taken(name):
            raise Refused(
                f"{self.env.store.describe(name)} exists already, and what it commits is bad.",
                hint=Hint(
                    f"Move {manifest.dump.file} and its manifest out of that folder, and run it again."
                ),
            )
        missing = [facts for facts in files if not self._exists(facts)]
        self.placement = FilePlacement(self.env, BackupName.of(name))
        self._require_space(sum(facts.size for facts in missing))
        with self.placement.all_or_none():
            for facts in missing:
                self._copy(facts)
            with recording.committing(self.env, manifest, Kind.ADOPTION), self.placement.placing(name):
                self.env.store.put(name, manifest.encode())

    def _exists(self, facts: FileFacts) -> bool:
        """Whether the folder has this file; Refused where a different file has its name."""
        store = self.env.store
        if not store.taken(facts.file):
            return False
        same_size = store.size(facts.file) == facts.size
        if same_size and store.content(facts.file) == (facts.size, facts.sha256):
            return True
        raise Refused(
            f"{store.describe(facts.file)} exists already, and differs.",
            hint=Hint("Backups are never overwritten. Move that file out of the folder, and run it again."),
        )

    def _require_space(self, needed: int) -> None:
        free = self.env.store.free()
        if free is not None and free < needed + _ROOM_FOR_RECORDS:
            raise LedgerError(
                f"Not enough space in {self.env.store.location}: {format_size(needed)} needed, "
                f"{format_size(free)} free.",
                hint=Hint("Free space or set another backup_root. Nothing was copied."),
            )

    def _copy(self, facts: FileFacts) -> None:
        source = self.at.store
        with self.env.store.create(facts.file) as file, source.open(facts.file) as stored:
            if copy(stored, file) != (facts.size, facts.sha256):
                raise BadBackup(
                    f"{source.describe(facts.file)} is not what its manifest commits.",
                    hint=Hint("Nothing was kept. Look for another copy of it."),
                )
            file.sync()
            self.placement.place(file)
