"""A call that may lose data, heard: resolved, judged, permitted or refused, and told."""

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from ledgerflow_ops import config
from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.guard import audit_log
from ledgerflow_ops.guard import exec as real
from ledgerflow_ops.guard.command_line.parse import Call
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.effects import Judgement
from ledgerflow_ops.guard.inside.effects import Effect
from ledgerflow_ops.guard.model import Guarded
from ledgerflow_ops.guard.permit import Occasion, Permission, Wanted, permit
from ledgerflow_ops.guard.protection import protected_objects
from ledgerflow_ops.guard.resolve import Asked, resolve
from ledgerflow_ops.guard.rules.judge import judge

_EFFECTS = {Effect.READS: "leaves", Effect.CHANGES: "changes", Effect.DESTROYS: "destroys"}


@dataclass
class Pipeline:
    """One call, its scene and what may be said for it. `confirmed` is the word that somebody typed."""

    call: Call
    confirmed: str = field(default_factory=lambda: os.environ.get("CONFIRM", ""))

    @cached_property
    def settings(self) -> config.Settings:
        return config.load()

    def hear(self) -> bool:
        """Whether the call may run; a refusal has been told. A person may be asked for what is missing."""
        scene, judgement, verdict = self._judged()
        if verdict.wanted is Wanted.BACKUP and self._backed_up(verdict):
            scene, judgement, verdict = self._judged()
        if verdict.wanted is Wanted.CONFIRMATION and self._asked(verdict):
            scene, judgement, verdict = self._judged()
        self._keep(scene, judgement, verdict)
        if not verdict.allowed:
            self._refuse(verdict)
        return verdict.allowed

    def explain(self) -> int:
        """Say how the call is read, what it is about and what the verdict is; 3 where it is refused."""
        scene, judgement, verdict = self._judged()
        for line in _explained(self.call, scene, judgement, verdict):
            sys.stdout.write(f"{line}\n")
        return 0 if verdict.allowed else 3

    def _judged(self) -> tuple[Scene, Judgement, Permission]:
        docker = real.real("docker")
        compose = real.real("docker-compose") if self.call.program == "docker-compose" else None
        scene = (
            Scene(guarded=self._guarded(""))
            if self.call.reads
            else resolve(Asked(docker, self.call, compose), self._guarded)
        )
        judgement = judge(self.call, scene)
        return scene, judgement, permit(judgement, self._occasion(docker, scene, judgement))

    def _guarded(self, engine: str) -> Guarded:
        return protected_objects.of(self.settings, engine)

    def _occasion(self, docker: Path, scene: Scene, judgement: Judgement) -> Occasion:
        environment = os.environ.get("LEDGER_ENV", "")
        known = environment in tuple(Environment)
        if judgement.effect == Effect.READS or not known:
            return Occasion(environment, self.confirmed)
        from ledgerflow_ops.guard import recoverability  # the catalog takes its time, and is rarely asked
        from ledgerflow_ops.operations.context import OperationContext

        volumes = sorted({name for touch in judgement.touches for name in touch.volumes})
        ctx = OperationContext(self.settings)
        env = ctx.env(Environment(environment))
        return Occasion(
            environment,
            self.confirmed,
            {environment: recoverability.standing(env, ctx.clock(), scene, volumes)},
            {name: recoverability.behind(name, scene, docker, self.call.engine) for name in volumes},
            timedelta(minutes=self.settings.guard.fresh_minutes),
        )

    def _keep(self, scene: Scene, judgement: Judgement, verdict: Permission) -> None:
        """On record before it is run. What destroys is not run off the record."""
        try:
            if scene.engine.id:
                seen = {name: scene.environment_of_volume(name) for name in scene.held_postgres()}
                audit_log.remember(self.settings.state_dir, scene.engine.id, seen)
            audit_log.judged(
                self.settings.state_dir,
                (self.call.program, *self.call.typed),
                allowed=verdict.allowed,
                reason=verdict.reason,
                losses=verdict.losses,
            )
        except LedgerError:
            if verdict.allowed and judgement.effect != Effect.READS:
                raise

    def _refuse(self, verdict: Permission) -> None:
        lines = [f"ledger_docker: refused. {verdict.reason}"]
        lines += [f"  at stake: {loss}" for loss in verdict.losses if loss not in verdict.reason]
        _say(*lines, f"hint: {verdict.hint}" if verdict.hint else "")

    def _backed_up(self, verdict: Permission) -> bool:
        """Offer the missing backup to the person at the terminal; whether it was taken and proven."""
        if not _at_terminal():
            return False
        _say(f"ledger_docker: {verdict.reason}")
        if _ask("Take and prove one now? [y/N] ").lower() not in ("y", "yes"):
            return False
        ours = [sys.executable, "-c", "from ledgerflow_ops.cli import main; main()", "backup"]
        child = process.start_program(ours, extra={}, start_new_session=False)
        return child.wait() == 0

    def _asked(self, verdict: Permission) -> bool:
        """Let the person at the terminal type the environment's name; whether something was typed."""
        if not _at_terminal():
            return False
        _say(f"ledger_docker: {verdict.reason}", *(f"  {loss}" for loss in verdict.losses))
        self.confirmed = _ask("Type the environment's name to let it go, anything else to stop: ")
        return bool(self.confirmed)


def _explained(call: Call, scene: Scene, judgement: Judgement, verdict: Permission) -> Iterable[str]:
    yield f"typed      {audit_log.shown((call.program, *call.typed))}"
    yield f"read as    {call.verb or 'nothing that is known'}{f' ({call.trouble})' if call.trouble else ''}"
    for name, values in sorted(call.options.items()):
        yield f"           --{name} {audit_log.shown(values)}"
    if call.operands:
        yield f"           {audit_log.shown(call.operands)}"
    if call.reads:
        yield "looked at  nothing: by its name alone it leaves all data as it is"
    else:
        yield from _looked_at(scene)
    for target in judgement.targets:
        yield f"about      {target.environment or 'nothing of ours'}, by {target.sign}"
    for touch in judgement.touches:
        yield f"{_EFFECTS[touch.effect]:<11}{touch.what}"
    yield f"verdict    {'allowed' if verdict.allowed else 'refused'}: {verdict.reason}"
    if verdict.hint:
        yield f"hint       {verdict.hint}"


def _looked_at(scene: Scene) -> Iterable[str]:
    if scene.silent:
        yield f"looked at  nothing: {scene.silent}"
        return
    engine = scene.engine
    yield f"looked at  {len(engine.volumes)} volumes and {len(engine.containers)} containers in {engine.root}"
    if scene.project:
        unread = f", whose file could not be read: {scene.project.unread}" if scene.project.unread else ""
        yield f"           the project {scene.project.name or 'without a name'}{unread}"
    for name, reason in sorted(scene.protected.items()):
        yield f"protected  {name}: {reason}"


def _at_terminal() -> bool:
    return bool(sys.stdin) and sys.stdin.isatty() and sys.stderr.isatty()


def _ask(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def _say(*lines: str) -> None:
    sys.stderr.write("".join(f"{line}\n" for line in lines if line))
    sys.stderr.flush()
