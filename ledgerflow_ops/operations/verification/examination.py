"""An examination of one backup: stages in order, each with its checks, until one finds the backup bad."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ledgerflow_ops.adapters.system.clock import Stopwatch
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.proof import NO_KEY, SOURCE, Doubt, Proof, Verdict, updated_proof
from ledgerflow_ops.core.catalog.rungs import PROVEN, Rung
from ledgerflow_ops.core.checks import Check, failed, first_fatal, warned
from ledgerflow_ops.core.errors import (
    BadBackup,
    CannotJudge,
    KeyUnavailable,
    LedgerError,
    Refused,
    SettingsError,
    UnrestorableSource,
)
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import recording


@dataclass
class Examination:
    """The checks so far. `rung` is how far this examination has proven the backup; times are in seconds."""

    env: EnvironmentContext
    name: BackupName
    manifest: Manifest | None = None
    rung: Rung | None = None
    checks: list[Check] = field(default_factory=list)
    watch: Stopwatch = field(default_factory=Stopwatch)
    server_version: str | None = None
    rto_seconds: float | None = None
    ceiling: Rung = PROVEN
    """The highest rung that it can reach, by what the examination found; the manifest may allow less."""
    entries: int = 0
    """The number of entries in the archive's table of contents."""

    def __post_init__(self) -> None:
        recording.prepare()

    @property
    def bad(self) -> Check | None:
        """The check that makes the backup bad, or None."""
        return first_fatal(self.checks)

    @property
    def verdict(self) -> Verdict:
        return Verdict.BAD if self.bad else Verdict.GOOD

    @property
    def proven(self) -> bool:
        """Whether this examination proves the backup."""
        return (
            self.bad is None and self.rung is not None and self.rung >= PROVEN and self.manifest is not None
        )

    @property
    def journal_fields(self) -> dict[str, Any]:
        """The fields of its journal entry."""
        fields = {"rung": self.rung.word if self.rung else None, "rto_seconds": self.rto_seconds}
        if self.bad:
            return {**fields, "result": "bad", "error": self.bad.message}
        return {**fields, "result": "unjudged", "error": self.unprovable} if self.unprovable else fields

    @property
    def unprovable(self) -> str:
        """Why the backup could not be judged though nothing bad was found; empty where it could."""
        if self.bad or self.manifest is not None:
            return ""
        word = self.rung.word if self.rung and self.rung >= Rung.READABLE else "there"
        return (
            f"{self.name.dump} is {word}, and NOT PROVEN: it has no manifest that says what it should hold, "
            "so whether it is whole could not be judged."
        )

    def stage(self, rung: Rung, name: str, cause: str, work: Callable[[], Iterable[Check]]) -> bool:
        """Carry out one stage; True, and the rung is reached, when nothing bad was found.

        A BadBackup raised inside becomes a failed check with this `name` and `cause`.
        """
        if self.bad:
            return False
        with self.damage_as_check(name, cause), self.watch.phase(cause):
            self.checks += work()
        if self.bad:
            return False
        limit = self.manifest.ceiling if self.manifest else PROVEN
        self.rung = min(rung, limit, self.ceiling)
        return True

    @contextmanager
    def damage_as_check(self, name: str, cause: str) -> Iterator[None]:
        """A BadBackup that the block raises becomes a failed check with this `name` and `cause`."""
        try:
            yield
        except BadBackup as error:
            bad_cause = SOURCE if isinstance(error, UnrestorableSource) else cause
            self.checks.append(failed(name, bad_cause, error.message, error.hint))

    def record(self) -> Proof | None:
        """Write the proof beside the backup, unless a better one is there; None without a manifest.

        Where not even the first rung was reached, the dump's bytes were not read: an earlier proof is then
        doubted. LedgerError where a good proof cannot be written. A bad one that cannot be written is
        reported; the examination says anyway that the backup is bad.
        """
        if self.rung is None and self.bad:
            self.doubt(self.bad.message)
        if self.manifest is None or self.rung is None:
            return None
        run = self.env.ctx.run
        proof = Proof(
            file=self.name.dump,
            sha256=self.manifest.dump.sha256,
            manifest_digest=self.manifest.digest,
            verdict=self.verdict,
            rung=self.rung,
            examined_at=self.env.ctx.clock(),
            server_version=self.server_version,
            rto_seconds=self.rto_seconds,
            durations=dict(self.watch.durations),
            checks=tuple(check.as_json(self.env.environment) for check in self.checks),
            who=run.who,
            run_id=run.run_id,
        )
        if newer := updated_proof(proof, catalog.read_proof(self.env, self.name, self.manifest)):
            try:
                self._write_proof(newer)
            except LedgerError as error:
                if not self.bad:
                    raise
                self._report_unwritten(error)
        return proof

    @contextmanager
    def translated_failures(self) -> Iterator[None]:
        """Turn errors of the block that say nothing about the backup (a failing disk, missing rights) into
        CannotJudge. Where one came before the bytes were read, an earlier proof is doubted. Where only the
        key was missing, what could be proven without it is recorded.
        """
        try:
            yield
        except (BadBackup, Refused, SettingsError):
            raise
        except LedgerError as error:
            if self.rung is None or self.rung < Rung.HASHED:
                self.doubt(error.message)
            elif isinstance(error, KeyUnavailable):
                self.checks.append(warned("integrity", NO_KEY, error.message, error.hint))
                self.record()
                raise KeyUnavailable(f"{self.name.dump}: {error.message}", hint=error.hint) from None
            if isinstance(error, CannotJudge):
                raise
            message = f"{self.name.dump} could not be judged: {error.message}"
            raise CannotJudge(message, hint=error.hint) from None

    def doubt(self, message: str) -> None:
        """Record in an earlier proof that the backup's bytes could not be read since.

        A doubted proof does not count until the bytes are read again. Nothing is recorded where nothing was
        proven, or where the bytes are in the cloud: that is reported separately.
        """
        try:
            manifest = self.manifest or catalog.read_manifest(self.env, self.name)
            old = catalog.read_proof(self.env, self.name, manifest)
            if old is None or not catalog.entry(self.env, self.name).local:
                return
            run = self.env.ctx.run
            doubt = Doubt(at=self.env.ctx.clock(), message=message, who=run.who, run_id=run.run_id)
            self._write_proof(old.model_copy(update={"doubt": doubt}))
        except LedgerError as error:
            self._report_unwritten(error)

    def _report_unwritten(self, error: LedgerError) -> None:
        self.env.ctx.reporter.say(f"the proof of {self.name.dump} was not written: {error.message}")

    def _write_proof(self, proof: Proof) -> None:
        if self.env.location and not self.env.store.writable():  # an archive that is only read
            self.env.ctx.reporter.say(f"{self.env.store.location} is read-only: the proof is not kept there")
        else:
            with recording.proving(self.env, proof):
                self.env.store.replace(self.name.proof, proof.encode())
