"""Audits a history: whether it is whole, whether its copies agree, whether the backups are what it says.

Nothing is changed, except that copies in reachable locations are brought up to date.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from ledgerflow_ops.adapters.storage.store import BackupStore
from ledgerflow_ops.adapters.system import signatures
from ledgerflow_ops.core.checks import Check, failed
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.history import findings
from ledgerflow_ops.core.history.chain import Fault, compare_copy, read_chain
from ledgerflow_ops.core.history.entry import Entry, Line
from ledgerflow_ops.core.history.holdings import Holding, Observed, contradictions, holdings
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import anchors, history_files, observation

_LOOKS = 3
"""How often an audit looks before it accuses: an operation may be between a file and its entry."""

_PATIENCE = timedelta(minutes=15)
_FAILED: dict[str, datetime] = {}
"""When an archive location last failed in this process: the watch leaves it alone for a while."""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit found. `faults` are in the order of the entries. `anchors` are the entries that each
    location's copy of the history has, `notes` what could not be looked at or is only worth knowing."""

    environment: Environment
    public_key: str = ""
    entries: int = 0
    head: str = ""
    since: datetime | None = None
    earlier: int = 0
    faults: tuple[Fault, ...] = ()
    anchors: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    trouble: LedgerError | None = None

    @property
    def exit_code(self) -> int:
        """4 where something contradicts the history, 5 where that could not be judged, else 0."""
        return 4 if self.faults else 5 if self.trouble else 0

    @property
    def check(self) -> Check:
        """The verdict as an asset check."""
        if self.trouble and not self.faults:
            text = f"The history could not be audited: {self.trouble.message}"
            return failed(findings.CHECK, "not known", text, self.trouble.hint)
        return findings.history_check(self.environment, self.faults, self.entries)

    def as_json(self) -> dict[str, Any]:
        return {
            "environment": self.environment,
            "public_key": self.public_key,
            "entries": self.entries,
            "head": self.head,
            "since": self.since.isoformat() if self.since else None,
            "earlier": self.earlier,
            "faults": [
                {"entry": fault.n, "kind": fault.kind, "file": fault.file, "message": fault.message,
                 "hint": str(fault.hint.within(self.environment))}
                for fault in self.faults
            ],
            "anchors": dict(self.anchors),
            "notes": list(self.notes),
            "trouble": self.trouble.message if self.trouble else "",
            "exit_code": self.exit_code,
        }  # fmt: skip


def audit(env: EnvironmentContext, *, full: bool = False, copies: bool = True) -> AuditReport:
    """Audit an environment's history. `full` reads every dump as well, `copies` the manifests in further
    locations. Never a LedgerError: `trouble` says what could not be judged."""
    try:
        report = _Audit(env, full=full, copies=copies).look()
        for _ in range(_LOOKS - 1):
            if not report.faults:
                break
            report = _Audit(env, full=full, copies=copies).look()
    except LedgerError as error:
        report = AuditReport(env.environment, trouble=error)
    return report


class _Audit:
    """One look at the history and the backups."""

    def __init__(self, env: EnvironmentContext, *, full: bool, copies: bool) -> None:
        self.env, self.full, self.copies = env, full, copies
        self.key = history_files.signing_key(env.ctx)
        self.notes = list[str]()
        self.anchors = dict[str, int]()
        self.stores = [env.store, *history_files.archive_stores(env, self.notes.append)]

    def look(self) -> AuditReport:
        """The backups are looked at before the history is read: what is written meanwhile is then announced
        in it."""
        env, observed = self.env, observation.observe(self.env.store)
        lines = self._own_lines()
        entries, fault = self._read(lines, self.key.public) if self.key else ((), None)
        faults = [fault] if fault else []
        if lines and not fault:
            faults += self._compare_copies(lines)
        others = [*self._other_histories(faults)]
        held = [holdings(entries), *(holdings(other) for other in others)]
        if fault:
            self.notes.append("The backups are not judged: our own history is damaged.")
        elif entries or others:
            faults += self._judge_backups(held, observed, len(entries))
        else:
            self.notes.append("There is no history yet: it begins with the next backup or proof.")
        return AuditReport(
            env.environment,
            self.key.public if self.key else "",
            len(entries),
            Line.decode(lines[len(entries) - 1]).digest if entries else "",
            entries[0].at if entries else None,
            sum(entry.kind == "earlier" for entry in entries),
            tuple(sorted(faults, key=lambda found: found.n)),
            self.anchors,
            tuple(self.notes),
        )

    def _copy_in(self, store: BackupStore) -> BackupStore:
        return history_files.copy_in(self.env, store)

    def _own_lines(self) -> list[str]:
        """Our history, after the entries of operations that died are made up for."""
        if self.key is None or not history_files.has_begun(self.env):
            return []
        return anchors.complete_history(self.env, self.key)

    def _read(self, lines: Sequence[str], public: str) -> tuple[Sequence[Entry], Fault | None]:
        return _read_lines(tuple(lines), self.env.environment, public)

    def _compare_copies(self, lines: Sequence[str]) -> Iterator[Fault]:
        """What differs in the copies of our history. One that is only behind is brought up to date."""
        assert self.key
        primary, *archives = self.stores
        with history_files.locked(self.env):
            now = history_files.own_lines(self.env, self.key)  # it may have grown meanwhile
            yield from self._compare_copy(now, primary)
        with history_files.anchoring(self.env) as alone:
            for store in archives:
                if alone and (self.copies or self._is_due(store, lines)):
                    yield from self._compare_copy(lines, store)
                self.anchors[store.location] = history_files.written_to(self.env, self._copy_in(store))

    def _is_due(self, store: BackupStore, lines: Sequence[str]) -> bool:
        """Whether the watch has anything new for an archive location, which did not fail a moment ago."""
        behind = history_files.written_to(self.env, self._copy_in(store)) < len(lines)
        failed = _FAILED.get(store.location)
        return behind and (failed is None or self.env.ctx.clock() - failed > _PATIENCE)

    def _compare_copy(self, lines: Sequence[str], store: BackupStore) -> Iterator[Fault]:
        try:
            if not store.reachable():
                self.notes.append(f"{store.location} cannot be reached: its copy is not judged.")
            elif fault := self._bring_up_to_date(lines, store):
                yield fault
            self.anchors[store.location] = history_files.written_to(self.env, self._copy_in(store))
        except LedgerError as error:
            _FAILED[store.location] = self.env.ctx.clock()
            self.notes.append(f"The history in {store.location} is not judged: {error.message}")

    def _bring_up_to_date(self, lines: Sequence[str], store: BackupStore) -> Fault | None:
        assert self.key
        chain = self._copy_in(store)
        if store.exists() and not store.writable():
            copy = history_files.copied_lines(chain, self.key.id) if chain.exists() else []
            self.notes.append(f"{store.location} is read-only: the history is not anchored there.")
            return compare_copy(lines, copy, history_files.written_to(self.env, chain), store.location)
        return history_files.write_copy(self.env, self.key, lines, chain)

    def _other_histories(self, faults: list[Fault]) -> Iterator[Sequence[Entry]]:
        """The histories of other installations whose keys are known, from the longest copy of each."""
        own = self.key.id if self.key else ""
        known = {signatures.key_id(public): public for public in self.env.ctx.settings.history_keys}
        found = dict[str, list[tuple[str, list[str]]]]()
        stores = self.stores if self.copies else self.stores[:1]
        for store in reversed(stores):  # a history is written to the primary folder first
            for key_id, lines in self._copies(store, own):
                found.setdefault(key_id, []).append((store.location, lines))
        for key_id, copies in sorted(found.items()):
            if key_id in known:
                yield self._longest(known[key_id], copies, faults)
            else:
                self.notes.append(
                    f"{copies[-1][0]} has a history of the key {key_id}, which is not known here. If it is "
                    "yours, put its public key into history_keys."
                )

    def _copies(self, store: BackupStore, own: str) -> Iterator[tuple[str, list[str]]]:
        chain = self._copy_in(store)
        try:
            if store.reachable() and chain.exists():
                for key_id in history_files.copied_keys(chain):
                    if key_id != own:
                        yield key_id, history_files.copied_lines(chain, key_id)
        except LedgerError as error:
            self.notes.append(f"The histories in {store.location} are not judged: {error.message}")

    def _longest(
        self, public: str, copies: Sequence[tuple[str, list[str]]], faults: list[Fault]
    ) -> Sequence[Entry]:
        """The entries of the longest valid copy; the primary folder's, the last, must be as long."""
        best, best_lines = tuple[Entry, ...](), list[str]()
        for place, lines in copies:
            entries, fault = self._read(lines, public)
            if fault:
                text = f"{place}, key {signatures.key_id(public)}: {fault.message}"
                faults.append(replace(fault, message=text))
            if len(entries) > len(best):
                best, best_lines = tuple(entries), lines[: len(entries)]
        place, lines = copies[-1]
        if place == self.env.store.location and (fault := compare_copy(best_lines, lines, len(best), place)):
            faults.append(fault)
        return best

    def _judge_backups(
        self, held: Sequence[Mapping[str, Holding]], observed: Mapping[str, Observed], head: int
    ) -> Iterator[Fault]:
        known = {stem: holding for history in reversed(held) for stem, holding in history.items()}
        if not self.env.store.exists():
            self.notes.append(f"{self.env.store.location} is not there.")
        if self.full:
            moved = self.env.ctx.reporter.counted
            observed = observation.with_dumps(
                self.env.store, observed, known, lambda done, of: moved(done, of, "dumps read")
            )
        yield from contradictions(held, observed, head)
        for store in self.stores[1:] if self.copies else ():
            try:
                yield from observation.changed_copies(store, known) if store.reachable() else ()
            except LedgerError as error:
                self.notes.append(f"The backups in {store.location} are not judged: {error.message}")


@lru_cache(maxsize=16)
def _read_lines(
    lines: tuple[str, ...], environment: Environment, public: str
) -> tuple[Sequence[Entry], Fault | None]:
    def verify(text: str, comment: str, signature: str) -> bool:
        return signatures.is_signed(public, text.encode(), comment, signature)

    return read_chain(lines, environment, verify)
