"""Decides on a call: what it reaches, what it would do there, whether it may. Insures it, and reports."""

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.errors import LedgerError, SettingsError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.guard import audit_log, recoverability
from ledgerflow_ops.guard import exec as real
from ledgerflow_ops.guard.command_line.parse import Call, parse
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.effects import Effect, Judgement
from ledgerflow_ops.guard.model import ConfiguredProtection
from ledgerflow_ops.guard.permit import ENVIRONMENTS, Answer, PermitContext, Requirement, Verdict, permit
from ledgerflow_ops.guard.protection import protected_objects
from ledgerflow_ops.guard.resolve import EngineClient, resolve
from ledgerflow_ops.guard.rules.judge import judge

__all__ = ["Pipeline", "parse"]

_LONG = timedelta(seconds=10)
_WAYS = ("auto", "ask", "never")


@dataclass
class Pipeline:
    """The decision on one call. `confirmed` is the environment's name that a person typed."""

    call: Call
    confirmed: str = field(default_factory=lambda: os.environ.get("CONFIRM", ""))

    def decide(self) -> bool:
        """Whether the call may run; prints a refusal. Takes a missing backup, or asks a person."""
        scene, judgement, verdict = self.judged()
        if verdict.wanted is Requirement.BACKUP and self._insured(verdict, scene):
            scene, judgement, verdict = self.judged()
        if verdict.wanted is Requirement.CONFIRMATION and self._asked(verdict):
            scene, judgement, verdict = self.judged()
        self._keep(scene, judgement, verdict)
        self._mention(scene, judgement)
        if not verdict.allowed:
            _say(f"ledger_docker: refused. {verdict.reason}")
            losses = (loss for loss in verdict.losses if loss.lower() not in verdict.reason.lower())
            _say(*(f"  at stake: {loss}" for loss in losses), f"hint: {verdict.hint}" if verdict.hint else "")
        return verdict.allowed

    def explain(self) -> int:
        """Print how the call is parsed, what it affects, and the verdict; returns 3 if refused, else 0."""
        scene, judgement, verdict = self.judged()
        for line in _explained(self.call, scene, judgement, verdict):
            sys.stdout.write(f"{line}\n")
        return 3 if verdict.answer is Answer.REFUSE else 0

    @cached_property
    def _client(self) -> EngineClient:
        compose = real.real("docker-compose") if self.call.program == "docker-compose" else None
        return EngineClient(real.real("docker"), self.call, compose)

    def judged(self) -> tuple[Scene, Judgement, Verdict]:
        """What the call reaches, what it would do there, and the verdict; nothing is run, taken or kept."""
        if self.call.reads or self.call.verb == "help":
            reason = f"{self.call.verb or 'docker'} never changes data"
            return Scene(), Judgement(), Verdict(Answer.PASS, reason)
        scene, judgement = examined(self._client, protected_objects.configured_protection)
        return scene, judgement, permit(judgement, self._context(scene, judgement))

    def _context(self, scene: Scene, judgement: Judgement) -> PermitContext:
        environment = os.environ.get("LEDGER_ENV", "")
        context = PermitContext(
            environment, self.confirmed, fresh=timedelta(minutes=scene.guarded.fresh_minutes)
        )
        ours = {impact.environment for impact in judgement.impacts} == {environment}
        if judgement.effect is Effect.READS or environment not in ENVIRONMENTS or not ours:
            return context
        volumes = sorted({name for impact in judgement.impacts for name in impact.volumes})
        # Before an uncertain call the last finding is enough while it holds.
        enough = context.fresh if judgement.effect is Effect.UNCERTAIN else None
        return replace(
            context,
            behind=recoverability.database_identifiers(volumes, scene, self._client.api),
            state=recoverability.newest(environment, scene, volumes, enough),
        )

    def _keep(self, scene: Scene, judgement: Judgement, verdict: Verdict) -> None:
        """Record the verdict before the call runs. A call that could change data does not run unrecorded."""
        concerns = judgement.effect != Effect.READS or not verdict.allowed
        state_dir, words = protected_objects.state_dir(), (self.call.program, *self.call.typed)
        try:
            if scene.engine.id:
                seen = {name: scene.environment_of_volume(name) for name in scene.held_postgres()}
                audit_log.store_postgres_volumes(state_dir, scene.engine.id, seen)
            audit_log.record_verdict(
                state_dir, words, verdict.allowed, verdict.reason, verdict.losses, durable=concerns
            )
        except (LedgerError, ValueError) as error:
            if verdict.allowed and concerns:
                raise
            _say(f"ledger_docker: not recorded in the journal: {error}")

    def _mention(self, scene: Scene, judgement: Judgement) -> None:
        """Say what is wrong with the settings, and whose PostgreSQL is lost that is not protected."""
        if trouble := scene.guarded.trouble:
            _say(f"ledger_docker: the settings are left out, for they cannot be read: {trouble}")
        if judgement.effect is Effect.DESTROYS or judgement.unknown or self.call.reads or scene.silent:
            return
        everything = replace(scene, guarded=replace(scene.guarded, every_postgres=True))
        for loss in judge(self.call, everything).impacts:
            if loss.effect is Effect.DESTROYS and loss.volumes:
                _say(f"ledger_docker: note: {loss.what}; not LedgerFlow's, so it is not protected.")

    def _insured(self, verdict: Verdict, scene: Scene) -> bool:
        """Take and prove the missing backup: by itself before an uncertain call, else if a person wants it.

        Returns whether there is one now. GUARD_BACKUP=auto, ask or never chooses.
        """
        way = os.environ.get("GUARD_BACKUP") or "auto"
        if way not in _WAYS:
            raise SettingsError(
                f"GUARD_BACKUP={way!r} is not known.", hint=Hint(f"Use one of: {', '.join(_WAYS)}.")
            )
        asks = way == "ask" or verdict.answer is not Answer.INSURE
        if way == "never" or (asks and not _at_terminal()):
            return False
        _say(f"ledger_docker: {verdict.reason}")
        if asks and _ask("Take and prove one now? [y/N] ").lower() not in ("y", "yes"):
            return False
        return _take_backup(os.environ["LEDGER_ENV"], scene)

    def _asked(self, verdict: Verdict) -> bool:
        """Ask the person at the terminal for the environment's name; returns whether something was typed."""
        if not _at_terminal():
            return False
        _say(f"ledger_docker: {verdict.reason}", *(f"  {loss}" for loss in verdict.losses))
        self.confirmed = _ask("Type the environment's name to run it, anything else to stop: ")
        return bool(self.confirmed)


def examined(client: EngineClient, guarded: Callable[[str], ConfiguredProtection]) -> tuple[Scene, Judgement]:
    """The state that a call depends on, and what the call would do to what it reaches there."""
    scene = resolve(client, guarded)
    judgement = judge(client.call, scene)
    if judgement.effect is Effect.DESTROYS:  # what a prune removes depends on it, and it is slow to ask
        scene = replace(scene, engine=replace(scene.engine, api=client.spoken()))
        judgement = judge(client.call, scene)
    return scene, judgement


def _take_backup(environment: str, scene: Scene) -> bool:
    """Take and prove a backup; whether it was. What it prints is shown only if it fails."""
    from ledgerflow_ops.adapters.system import process

    took = recoverability.newest(environment, scene, []).took
    long = f" (the last one took {took.total_seconds():.0f} s)" if took > _LONG else ""
    _say(f"ledger_docker: taking and proving a backup of {environment} first{long} …")
    ours = [sys.executable, "-c", "from ledgerflow_ops.cli import main; main()", "backup"]
    before = {"WHY": "before a docker command whose effect cannot be known"}
    finished = process.run([Path(ours[0]), *ours[1:]], extra=before, start_new_session=False)
    if finished.code:
        _say(process.last_lines(finished.errors), f"hint: {make('backup', environment)} shows more.")
    return finished.code == 0


def _explained(call: Call, scene: Scene, judgement: Judgement, verdict: Verdict) -> Iterable[str]:
    yield f"typed      {audit_log.redacted((call.program, *call.typed))}"
    yield f"read as    {call.verb or 'an unknown command'}{f' ({call.trouble})' if call.trouble else ''}"
    for name, values in sorted(call.options.items()):
        yield f"           --{name} {audit_log.redacted(values)}"
    if call.operands:
        yield f"           {audit_log.redacted(call.operands)}"
    if call.reads or scene.silent:
        yield f"examined   nothing: {scene.silent or 'this command never changes data'}"
    else:
        volumes, containers = scene.engine.volumes, scene.engine.containers
        counts = f"{count_of(len(volumes), 'volume')} and {count_of(len(containers), 'container')}"
        yield f"examined   {counts} in {scene.engine.root}"
    if project := scene.project:
        unread = f", whose file could not be read: {project.unread}" if project.unread else ""
        yield f"           the project {project.name or 'without a name'}{unread}"
    for name, reason in sorted(scene.protected.items()):
        yield f"protected  {name}: {reason}"
    for target in judgement.targets:
        yield f"about      {target.environment or 'no environment'}, by {target.what}"
    for impact in judgement.impacts:
        yield f"{impact.effect.name.lower():<11}{impact.what}"
    yield f"verdict    {verdict.answer}: {verdict.reason}"
    if verdict.hint:
        yield f"hint       {verdict.hint}"


def _at_terminal() -> bool:
    return bool(sys.stdin) and sys.stdin.isatty() and sys.stderr.isatty()


def _ask(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def _say(*lines: str) -> None:
    sys.stderr.write("".join(f"{line}\n" for line in lines if line))
    sys.stderr.flush()
