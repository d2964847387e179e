"""Repairs a bad copy of a backup, in any location, from a good one in another.

A file is replaced only where its bytes were read and are not the committed ones. The source's bytes are read
first. What was bad is set aside until the good bytes are in its place and were read back.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ledgerflow_ops.adapters.storage.store import BackupStore, copy
from ledgerflow_ops.adapters.system import locks
from ledgerflow_ops.core.archive.copies import CopyState, PlacedCopy
from ledgerflow_ops.core.archive.repair_plan import Repair, plan_repairs
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import OURS, BackupName
from ledgerflow_ops.core.errors import BadBackup, LedgerError, SettingsError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.models import FileFacts
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations import catalog, journal
from ledgerflow_ops.operations.archive.copies import (
    PRIMARY,
    all_names,
    committed_digest,
    copies_of,
    copy_in,
    place_name,
    sound_manifest,
)
from ledgerflow_ops.operations.archive.copying import copy_proof, data_files, is_committed_file
from ledgerflow_ops.operations.backup_lock import hold_backup
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import recording

ASIDE = "replaced"
"""The section of a location that holds bad files until they are replaced."""


@dataclass
class RepairResult:
    """What was repaired, a sentence each, and the errors of what could not be."""

    repaired: list[str] = field(default_factory=list)
    failed: list[LedgerError] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {"repaired": list(self.repaired), "failed": [error.message for error in self.failed]}


def plan(env: EnvironmentContext, file: str = "") -> list[Repair]:
    """The copies to repair: those that are known to be bad, or, with `file`, those of one backup whose bytes
    are found bad now, which reads all of them. SettingsError (2) where no location has that backup.
    """
    env.ctx.reporter.step(Step.PLAN)
    ats = env.locations()
    if not file:
        return plan_repairs((name.dump, _known_copies(env, name)) for name in all_names(ats))
    name = _named(ats, file)
    return plan_repairs([(name.dump, [_read_copy(env, at, name) for at in ats])])


def repair(env: EnvironmentContext, repairs: Sequence[Repair]) -> RepairResult:
    """Carry out repairs, each under the lock of the location that it writes to. Recorded in the journal."""
    result = RepairResult()
    _discard_replaced(env)
    if not repairs:
        return result
    with journal.recorded(env, "repair") as note:
        for planned in repairs:
            try:
                result.repaired.append(_repair(env, planned))
            except LedgerError as error:
                result.failed.append(error)
        env.ctx.reporter.step(Step.JOURNAL)
        note |= result.as_json()
        if result.failed:
            note |= {"result": "failed", "error": "; ".join(error.message for error in result.failed)}
    return result


def _discard_replaced(env: EnvironmentContext) -> None:
    """Remove bad files that a killed repair had set aside, where the good ones are in their place."""
    for at in env.locations():
        try:
            if at.store.reachable() and _names(at.store.section(ASIDE)):
                with _writing_lock(env, at):
                    _discard_aside(at)
        except LedgerError as error:
            env.ctx.reporter.say(f"{place_name(at)}: {error.message}")


def _known_copies(env: EnvironmentContext, name: BackupName) -> list[PlacedCopy]:
    return copies_of(env, name, committed_digest(env.locations(), name))


def _named(ats: Sequence[EnvironmentContext], file: str) -> BackupName:
    for at in ats:
        try:
            return catalog.find(at, file)
        except SettingsError:
            continue
    raise SettingsError(
        f"No location of {ats[0].environment} has {file!r}.", hint=Hint(make("status"), " lists the backups.")
    )


def _read_copy(env: EnvironmentContext, at: EnvironmentContext, name: BackupName) -> PlacedCopy:
    """The state of one copy after its bytes were read."""
    digest = committed_digest(env.locations(), name)
    known, manifest = copy_in(at, name, digest), sound_manifest(at, name)
    if manifest is None or known.state not in (CopyState.GOOD, CopyState.UNPROVEN):
        return known
    at.ctx.reporter.say(f"reading {name.dump} in {place_name(at)}")
    bad = [facts.file for facts in data_files(manifest) if not is_committed_file(at.store, facts)]
    if bad:
        return PlacedCopy(known.place, CopyState.BAD, f"not the committed bytes: {', '.join(bad)}")
    return PlacedCopy(known.place, CopyState.GOOD, known.note)


def _repair(env: EnvironmentContext, planned: Repair) -> str:
    """Repair one copy from the first source that holds; returns what was done, in words."""
    name, target = BackupName.of(planned.file), _at(env, planned.target)
    failures = list[LedgerError]()
    with _writing_lock(env, target), hold_backup(env, name, "repair"):
        for source in planned.sources:
            try:
                return _CopyRepair(_at(env, source), target, name).carry_out()
            except LedgerError as error:
                failures.append(error)
    said = " ".join(error.message for error in failures) or "No good copy of it is known."
    raise BadBackup(
        f"{name.dump} in {planned.target} is bad, and could not be repaired. {said}",
        hint=Hint("If no location has a good copy, ", make("quarantine", FILE=name.dump), " moves it aside."),
    )


def _at(env: EnvironmentContext, place: str) -> EnvironmentContext:
    return next(at for at in env.locations() if place_name(at) == place)


@contextmanager
def _writing_lock(env: EnvironmentContext, target: EnvironmentContext) -> Iterator[None]:
    """The lock of what is written to: the environment's own, or that of the archive location."""
    ctx, place = env.ctx, place_name(target)
    state_dir, now = ctx.settings.state_dir, ctx.clock()
    if place == PRIMARY:
        with locks.environment_lock(state_dir, env.environment, "repair", now):
            yield
    else:
        with locks.location_lock(state_dir, env.environment, place, "repair", now):
            yield


class _CopyRepair:
    """One repair of one copy, from one source."""

    def __init__(self, source: EnvironmentContext, target: EnvironmentContext, name: BackupName) -> None:
        self.source, self.target, self.name = source, target, name
        self.report, self.aside = target.ctx.reporter, target.store.section(ASIDE)

    def carry_out(self) -> str:
        self.report.step(Step.EXAMINE)
        manifest = sound_manifest(self.source, self.name)
        if manifest is None:
            raise BadBackup(
                f"{self.source.store.describe(self.name.manifest)} is not sound.",
                hint=Hint("Look for another copy of it."),
            )
        recording.require_committed(self.target, self.source.store, self.name)
        bad = [facts for facts in data_files(manifest) if not is_committed_file(self.target.store, facts)]
        for facts in bad:
            self._require_good_source(facts)
        for facts in bad:
            self._replace(facts)
        with recording.repairing(self.target, self.source.store, self.name):
            self._replace_manifest(manifest)
            self.report.step(Step.COPY_PROOF)
            self._replace_proof()
        self.report.step(Step.SETTLE)
        _discard_aside(self.target)
        replaced = ", ".join(facts.file for facts in bad) or "its records"
        where = f"{place_name(self.target)} from {place_name(self.source)}"
        return f"{self.name.dump}: repaired in {where} ({replaced})."

    def _require_good_source(self, facts: FileFacts) -> None:
        if not is_committed_file(self.source.store, facts):
            raise BadBackup(
                f"{self.source.store.describe(facts.file)} is not what its manifest commits either.",
                hint=Hint("Look for another copy of it."),
            )

    def _replace(self, facts: FileFacts) -> None:
        """Set a bad file aside, and write the committed bytes under its name."""
        store = self.target.store
        self.report.step(Step.SET_ASIDE)
        if store.taken(facts.file):
            self.aside.prepare()
            self.aside.delete(facts.file)  # a bad one that a killed repair has left there
            store.move(facts.file, self.aside, facts.file)
        self.report.step(Step.COPY)
        with self.source.store.open(facts.file) as stored, store.create(facts.file) as file:
            if copy(stored, file, lambda done: self.report.moved(done, facts.size)) != _content(facts):
                raise BadBackup(
                    f"{self.source.store.describe(facts.file)} has changed while it was read.",
                    hint=Hint("Run it again: ", make("repair", FILE=self.name.dump)),
                )
            file.commit()
        self.report.step(Step.COPY_BACK)
        if not is_committed_file(store, facts):
            raise LedgerError(
                f"{store.describe(facts.file)} was read back and differs from what was sent.",
                hint=Hint("Check that location; then ", make("repair", FILE=self.name.dump)),
            )

    def _replace_manifest(self, manifest: Manifest) -> None:
        """Put the source's manifest in place of one that is damaged or missing."""
        own = sound_manifest(self.target, self.name)
        if own is None or own.digest != manifest.digest:
            self.target.store.replace(self.name.manifest, self.source.store.record(self.name.manifest))

    def _replace_proof(self) -> None:
        """Copy the source's proof. A verdict about the bytes that were replaced is no longer true."""
        if self.source.store.taken(self.name.proof):
            copy_proof(self.source, self.target, self.name)
        elif catalog.entry(self.target, self.name).bad:
            self.target.store.delete(self.name.proof)


def _discard_aside(at: EnvironmentContext) -> None:
    aside = at.store.section(ASIDE)
    for file in _names(aside):
        if copy_in(at, BackupName.of(file), "").state in (CopyState.GOOD, CopyState.UNPROVEN):
            aside.delete(file)


def _content(facts: FileFacts) -> tuple[int, str]:
    return facts.size, facts.sha256


def _names(store: BackupStore) -> list[str]:
    return store.names(*OURS) if store.exists() else []
