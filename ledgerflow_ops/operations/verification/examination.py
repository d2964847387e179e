"""An examination of one backup: stages in order, each with its verdicts, until one finds it bad."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ledgerflow_ops.adapters.system.clock import Stopwatch
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.proof import SOURCE, Doubt, Proof, Verdict, updated_proof
from ledgerflow_ops.core.catalog.rungs import PROVEN, Rung
from ledgerflow_ops.core.checks import Check, failed, first_fatal
from ledgerflow_ops.core.errors import (
    BadBackup,
    CannotJudge,
    LedgerError,
    Refused,
    SettingsError,
    UnrestorableSource,
)
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.context import EnvironmentContext


@dataclass
class Examination:
    """What has been found out so far. `rung` is how far the backup is proven by this examination."""

    env: EnvironmentContext
    name: BackupName
    manifest: Manifest | None = None
    rung: Rung | None = None
    checks: list[Check] = field(default_factory=list)
    watch: Stopwatch = field(default_factory=Stopwatch)
    server_version: str | None = None
    rto_seconds: float | None = None
    ceiling: Rung = PROVEN
    """How far it can be proven, for what the examination found; the manifest may say less."""
    entries: int = 0
    """How many entries the archive's table of contents has."""

    @property
    def bad(self) -> Check | None:
        """The verdict that makes the backup bad, or None."""
        return first_fatal(self.checks)

    @property
    def verdict(self) -> Verdict:
        return Verdict.BAD if self.bad else Verdict.GOOD

    @property
    def proven(self) -> bool:
        """Whether this examination makes the backup count."""
        return (
            self.bad is None and self.rung is not None and self.rung >= PROVEN and self.manifest is not None
        )

    @property
    def noted(self) -> dict[str, Any]:
        """What the journal says of it."""
        found = {"rung": self.rung.word if self.rung else None, "rto_seconds": self.rto_seconds}
        if self.bad:
            return {**found, "result": "bad", "error": self.bad.message}
        return {**found, "result": "unjudged", "error": self.unprovable} if self.unprovable else found

    @property
    def unprovable(self) -> str:
        """Why this could not be judged though nothing bad was found; empty where it was."""
        if self.bad or self.manifest is not None:
            return ""
        word = self.rung.word if self.rung and self.rung >= Rung.READABLE else "there"
        return (
            f"{self.name.dump} is {word}, and NOT PROVEN: it has no manifest. "
            "Nothing says what it should hold, so whether it is whole could not be judged."
        )

    def stage(self, rung: Rung, name: str, cause: str, look: Callable[[], Iterable[Check]]) -> bool:
        """Carry out one stage; True, and the rung is reached, when nothing bad was found.

        `name` and `cause` are those of the check that a BadBackup raised inside becomes.
        """
        if self.bad:
            return False
        try:
            with self.watch.phase(cause):
                self.checks += look()
        except BadBackup as error:
            found = SOURCE if isinstance(error, UnrestorableSource) else cause
            self.checks.append(failed(name, found, error.message, error.hint))
        if self.bad:
            return False
        held = self.manifest.ceiling if self.manifest else PROVEN
        self.rung = min(rung, held, self.ceiling)
        return True

    def record(self) -> Proof | None:
        """Keep what was found beside the backup, unless more is known already; None without a manifest.

        Where not even the first rung was reached, the dump's bytes were not looked at. LedgerError where
        a good proof cannot be kept; that one is bad is told by the examination, kept or not.
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
        if found := updated_proof(proof, catalog.read_proof(self.env, self.name, self.manifest)):
            try:
                self._keep(found)
            except LedgerError as error:
                if not self.bad:
                    raise
                self._untold(error)
        return proof

    @contextmanager
    def doubted(self) -> Iterator[None]:
        """Trouble in the block that says nothing of the backup (a disk that does not answer, rights that
        lack) is CannotJudge. Where it came before the bytes were read, an earlier proof loses its weight.
        """
        try:
            yield
        except (BadBackup, Refused, SettingsError):
            raise
        except LedgerError as error:
            if self.rung is None or self.rung < Rung.HASHED:
                self.doubt(error.message)
            if isinstance(error, CannotJudge):
                raise
            message = f"{self.name.dump} could not be judged: {error.message}"
            raise CannotJudge(message, hint=error.hint) from None

    def doubt(self, message: str) -> None:
        """Note beside the backup that its bytes could not be looked at; nothing where nothing was proven, or
        a cloud has them: that they are elsewhere is told by itself, and they will come back as they were.

        An earlier proof speaks of bytes that nobody has seen since. It does not count until somebody has.
        """
        try:
            manifest = self.manifest or catalog.read_manifest(self.env, self.name)
            old = catalog.read_proof(self.env, self.name, manifest)
            if old is None or not catalog.entry(self.env, self.name).local:
                return
            run = self.env.ctx.run
            doubt = Doubt(at=self.env.ctx.clock(), message=message, who=run.who, run_id=run.run_id)
            self._keep(old.model_copy(update={"doubt": doubt}))
        except LedgerError as error:
            self._untold(error)

    def _untold(self, error: LedgerError) -> None:
        self.env.ctx.reporter.say(f"not noted beside {self.name.dump}: {error.message}")

    def _keep(self, proof: Proof) -> None:
        if self.env.location and not self.env.store.writable():  # an archive that is only read
            self.env.ctx.reporter.say(f"{self.env.store.location} is read-only: the proof is not kept there")
        else:
            self.env.store.replace(self.name.proof, proof.encode())
