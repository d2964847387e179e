"""An examination of one backup: stages in order, each with its verdicts, until one finds it bad."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ledgerflow_ops.adapters.clock import Stopwatch
from ledgerflow_ops.adapters.folder import writable
from ledgerflow_ops.core.checks import Check, failed, first_fatal
from ledgerflow_ops.core.errors import BadBackup, UnrestorableSource
from ledgerflow_ops.core.manifest import Manifest
from ledgerflow_ops.core.naming import BackupName
from ledgerflow_ops.core.proof import SOURCE, Proof, Verdict, supersedes
from ledgerflow_ops.core.rungs import PROVEN, Rung
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.desk import Site


@dataclass
class Examination:
    """What has been found out so far. `rung` is how far the backup is proven by this examination."""

    site: Site
    name: BackupName
    manifest: Manifest | None = None
    rung: Rung | None = None
    checks: list[Check] = field(default_factory=list)
    watch: Stopwatch = field(default_factory=Stopwatch)
    server_version: str | None = None
    rto_seconds: float | None = None

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
        return {**found, "result": "bad", "error": self.bad.message} if self.bad else found

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
        self.rung = min(rung, self.manifest.ceiling) if self.manifest else rung
        return True

    def record(self) -> Proof | None:
        """Keep what was found beside the backup, unless more is known already; None without a manifest."""
        if self.manifest is None or self.rung is None:
            return None
        run = self.site.desk.run
        proof = Proof(
            file=self.name.dump,
            sha256=self.manifest.dump.sha256,
            manifest_digest=self.manifest.digest,
            verdict=self.verdict,
            rung=self.rung,
            examined_at=self.site.desk.clock(),
            server_version=self.server_version,
            rto_seconds=self.rto_seconds,
            durations=dict(self.watch.durations),
            checks=tuple(check.as_json() for check in self.checks),
            who=run.who,
            run_id=run.run_id,
        )
        if self.site.location and not writable(self.site.folder.path):  # an archive that is only read
            self.site.desk.reporter.say(f"{self.site.folder.path} is read-only: the proof is not kept there")
        elif supersedes(proof, catalog.read_proof(self.site, self.name, self.manifest)):
            self.site.folder.replace(self.name.proof, proof.encode())
        return proof
