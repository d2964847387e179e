"""Resolves and judges a call that may lose data, permits or refuses it, and reports the verdict."""

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from ledgerflow_ops import config
from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.guard import audit_log
from ledgerflow_ops.guard import exec as real
from ledgerflow_ops.guard.command_line.parse import Call
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.effects import Judgement
from ledgerflow_ops.guard.inside.effects import Effect
from ledgerflow_ops.guard.model import ConfiguredProtection
from ledgerflow_ops.guard.permit import Permission, PermitContext, Requirement, permit
from ledgerflow_ops.guard.protection import protected_objects
from ledgerflow_ops.guard.resolve import EngineClient, resolve
from ledgerflow_ops.guard.rules.judge import judge

_EFFECTS = {Effect.READS: "reads", Effect.CHANGES: "changes", Effect.DESTROYS: "destroys"}


@dataclass
class Pipeline:
    """The decision on one call. `confirmed` is the environment's name that a person typed."""

    call: Call
    confirmed: str = field(default_factory=lambda: os.environ.get("CONFIRM", ""))

    @cached_property
    def settings(self) -> config.Settings:
        return config.load()

    def decide(self) -> bool:
        """Whether the call may run; prints a refusal. Asks a person at the terminal for what is missing."""
        scene, judgement, verdict = self._judged()
        if verdict.wanted is Requirement.BACKUP and self._backed_up(verdict):
            scene, judgement, verdict = self._judged()
        if verdict.wanted is Requirement.CONFIRMATION and self._asked(verdict):
            scene, judgement, verdict = self._judged()
        self._keep(scene, judgement, verdict)
        if not verdict.allowed:
            self._refuse(verdict)
        return verdict.allowed

    def explain(self) -> int:
        """Print how the call is parsed, what it affects, and the verdict; returns 3 if refused, else 0."""
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
            else resolve(EngineClient(docker, self.call, compose), self._guarded)
        )
        judgement = judge(self.call, scene)
        return scene, judgement, permit(judgement, self._occasion(docker, scene, judgement))

    def _guarded(self, engine: str) -> ConfiguredProtection:
        return protected_objects.configured_protection(self.settings, engine)

    def _occasion(self, docker: Path, scene: Scene, judgement: Judgement) -> PermitContext:
        environment = os.environ.get("LEDGER_ENV", "")
        known = environment in tuple(Environment)
        if judgement.effect == Effect.READS or not known:
            return PermitContext(environment, self.confirmed)
        from ledgerflow_ops.guard import recoverability  # slow to import, and rarely needed
        from ledgerflow_ops.operations.context import OperationContext

        volumes = sorted({name for impact in judgement.impacts for name in impact.volumes})
        ctx = OperationContext(self.settings)
        env = ctx.env(Environment(environment))
        return PermitContext(
            environment,
            self.confirmed,
            {environment: recoverability.backup_state(env, ctx.clock(), scene, volumes)},
            {
                name: recoverability.database_identifier(name, scene, docker, self.call.engine)
                for name in volumes
            },
            timedelta(minutes=self.settings.guard.fresh_minutes),
        )

    def _keep(self, scene: Scene, judgement: Judgement, verdict: Permission) -> None:
        """Record the verdict before the call runs. A call that changes data does not run unrecorded."""
        try:
            if scene.engine.id:
                seen = {name: scene.environment_of_volume(name) for name in scene.held_postgres()}
                audit_log.store_postgres_volumes(self.settings.state_dir, scene.engine.id, seen)
            audit_log.record_verdict(
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
        """Offer to take the missing backup, at a terminal; returns whether it was taken and proven."""
        if not _at_terminal():
            return False
        _say(f"ledger_docker: {verdict.reason}")
        if _ask("Take and prove one now? [y/N] ").lower() not in ("y", "yes"):
            return False
        ours = [sys.executable, "-c", "from ledgerflow_ops.cli import main; main()", "backup"]
        child = process.start_program(ours, extra={}, start_new_session=False)
        return child.wait() == 0

    def _asked(self, verdict: Permission) -> bool:
        """Ask the person at the terminal for the environment's name; returns whether something was typed."""
        if not _at_terminal():
            return False
        _say(f"ledger_docker: {verdict.reason}", *(f"  {loss}" for loss in verdict.losses))
        self.confirmed = _ask("Type the environment's name to run it, anything else to stop: ")
        return bool(self.confirmed)


def _explained(call: Call, scene: Scene, judgement: Judgement, verdict: Permission) -> Iterable[str]:
    yield f"typed      {audit_log.redacted((call.program, *call.typed))}"
    yield f"read as    {call.verb or 'an unknown command'}{f' ({call.trouble})' if call.trouble else ''}"
    for name, values in sorted(call.options.items()):
        yield f"           --{name} {audit_log.redacted(values)}"
    if call.operands:
        yield f"           {audit_log.redacted(call.operands)}"
    if call.reads:
        yield "examined   nothing: this command never changes data"
    else:
        yield from _examined(scene)
    for target in judgement.targets:
        yield f"about      {target.environment or 'no environment'}, by {target.sign}"
    for impact in judgement.impacts:
        yield f"{_EFFECTS[impact.effect]:<11}{impact.what}"
    yield f"verdict    {'allowed' if verdict.allowed else 'refused'}: {verdict.reason}"
    if verdict.hint:
        yield f"hint       {verdict.hint}"


def _examined(scene: Scene) -> Iterable[str]:
    if scene.silent:
        yield f"examined   nothing: {scene.silent}"
        return
    engine = scene.engine
    volumes, containers = (
        count_of(len(engine.volumes), "volume"),
        count_of(len(engine.containers), "container"),
    )
    yield f"examined   {volumes} and {containers} in {engine.root}"
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
