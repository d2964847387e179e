"""The key-survival drill: with the escrowed identity alone, opens every retained backup and restores one.

It shows that the backups survive the loss of this machine and of the key that is on it (decision 50).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ledgerflow_ops.adapters.system.process import empty_home
from ledgerflow_ops.config import resolved_path
from ledgerflow_ops.core.alerting.root_cause import KEYS
from ledgerflow_ops.core.catalog.backup_keys import BackupKey, Opening
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.checks import Check, warned
from ledgerflow_ops.core.errors import BadBackup, LedgerError, SettingsError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.monitoring.key_survival import (
    CHECK,
    ClosedBackup,
    KeyDrill,
    RestoredBackup,
    closed_backup,
)
from ledgerflow_ops.core.schedule.key_drill_plan import KeyDrillCandidate, KeyDrillChoice, choose_backup
from ledgerflow_ops.operations import catalog, journal, key_record, keys
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.verification import drill

_SET = Hint(
    "Set escrow_identity_file or escrow_identity_command of this environment in ledgerflow.toml: where the "
    "copy of the identity is that survives the loss of this machine. docs/encryption.md says more."
)
_AWAY = Hint(
    "Keep it where neither this machine nor the backups are, such as a USB stick or a password manager."
)
_AGAIN = Hint("This says nothing about the backup. ", make("keys", DRILL=1), " tries again.")


def drill_keys(env: EnvironmentContext) -> KeyDrill:
    """Open the headers of every retained backup, in every location, and restore one; returns what was found.

    Only the escrowed identity is used, and programs have an empty home. The result is kept for status, watch
    and doctor. SettingsError (2) where no escrowed identity is set, or where it is none; KeyUnavailable (5)
    where it cannot be read.
    """
    if problem := settings_problem(env):
        raise problem
    with journal.recorded(env, "key drill") as note, empty_home():
        escrowed, last = replace(env, escrowed=True), key_record.read_drill(env)
        begun = KeyDrill(
            since=last.since if last else env.ctx.clock(), restores=last.restores if last else {}
        )
        try:
            identities = escrowed.identities.read()
        except LedgerError as error:
            hint = _hint_on_home(env, error)
            failure = {"at": env.ctx.clock(), "trouble": error.message, "hint": hint}
            key_record.write_drill(env, begun.model_copy(update=failure))
            raise type(error)(error.message, hint=hint) from None
        found = _KeyDrill(escrowed, begun, identities).carry_out()
        key_record.write_drill(env, found)
        check = found.check()
        note |= {"opened": found.opened, "encrypted": found.encrypted}
        note |= {"file": found.restored.file} if found.restored else {}
        result = "bad" if found.exit_code == BadBackup.exit_code else "unjudged"
        note |= {} if check.passed else {"result": result, "error": check.message}
    return found


def check_keys(env: EnvironmentContext) -> Check:
    """The verdict of a drill as a check; never a LedgerError."""
    try:
        return drill_keys(env).check()
    except LedgerError as error:
        return warned(CHECK, KEYS, f"The key-survival drill was not carried out: {error.message}", error.hint)


def settings_problem(env: EnvironmentContext) -> SettingsError | None:
    """Why the escrowed identity of the settings cannot show anything; None where it can."""
    settings, name = env.settings, env.environment
    file, command = settings.escrow_identity_file, settings.escrow_identity_command
    if not settings.has_escrow:
        return SettingsError(f"No escrowed identity of {name} is set.", hint=_SET)
    if command and command == settings.identity_command:
        text = "escrow_identity_command is identity_command: it does not show that a copy survives."
        return SettingsError(text, hint=_AWAY)
    if file and settings.identity_file and _same_file(file, settings.identity_file):
        text = f"escrow_identity_file is the file of identity_file, {file}: whoever loses one loses both."
        return SettingsError(text, hint=_AWAY)
    for what, folder in keys.forbidden_folders(env) if file else ():
        if file and resolved_path(file).is_relative_to(resolved_path(folder)):
            text = f"escrow_identity_file: {file} lies in {what} ({folder}), beside what it opens."
            return SettingsError(text, hint=_AWAY)
    return None


def _same_file(one: Path, other: Path) -> bool:
    """Whether both names lead to one file, also by links. Files that are not there are compared by name."""
    try:
        return one.samefile(other)
    except OSError:
        return resolved_path(one) == resolved_path(other)


def _hint_on_home(env: EnvironmentContext, error: LedgerError) -> Hint:
    """The error's hint; for a command, also what it lacks during the drill."""
    if not env.settings.escrow_identity_command:
        return error.hint
    return Hint(
        "During the drill the command has an empty home and no agent: what it needs of them is lost with "
        "this machine. ",
        error.hint,
    )


class _KeyDrill:
    """One running drill. `env` reads with the escrowed identities."""

    def __init__(self, env: EnvironmentContext, begun: KeyDrill, identities: Sequence[object]) -> None:
        self.env, self.begun, self.identities = env, begun, identities
        self.report = env.ctx.reporter
        self.notes = list[str]()

    def carry_out(self) -> KeyDrill:
        self.report.say("the header of every retained backup is opened with the escrowed identity")
        own, *archives = self.env.locations()
        found = [*keys.keys_in(own, self.identities)]
        chosen = choose_backup(self._candidates(found), self.begun.restores, self.env.ctx.clock())
        everywhere = [*found, *(item for at in archives for item in self._keys_of_copies(at))]
        restored = self._restore(chosen) if chosen.file else self._unrestored(found, chosen)
        encrypted = [item for item in everywhere if item.opening is not Opening.PLAIN]
        now = self.env.ctx.clock()
        present = {item.file for item in found}
        restores = {file: at for file, at in self.begun.restores.items() if file in present}
        if restored and restored.rung:
            restores[restored.file] = now
        return KeyDrill(
            since=self.begun.since,
            at=now,
            encrypted=len(encrypted),
            opened=sum(not item.closed for item in encrypted),
            closed=tuple(_closed(encrypted)),
            restored=restored,
            restores=restores,
            notes=tuple(self.notes),
        )

    def _keys_of_copies(self, at: EnvironmentContext) -> Iterator[BackupKey]:
        """The copies in an archive location. One that cannot be reached is noted, and reported elsewhere."""
        try:
            yield from keys.keys_in(at, self.identities)
        except LedgerError as error:
            self.notes.append(f"The copies in {at.store.location} are not judged: {error.message}")

    def _candidates(self, found: Sequence[BackupKey]) -> Iterator[KeyDrillCandidate]:
        entries = {entry.name.dump: entry for entry in catalog.newest_first(self.env)}
        for item in found:
            entry = entries.get(item.file)
            if entry is None or entry.recovery_point is None:
                continue
            obstacle = (
                "it is bad" if entry.bad else "" if item.opening is Opening.OPENS else f"{item.opening}"
            )
            yield KeyDrillCandidate(item.file, entry.recovery_point, obstacle)

    def _unrestored(self, found: Sequence[BackupKey], chosen: KeyDrillChoice) -> RestoredBackup | None:
        """What is recorded where no backup can be restored; None where none is encrypted."""
        encrypted = [item for item in found if item.opening is not Opening.PLAIN]
        if not encrypted:
            return None
        return RestoredBackup(
            file=encrypted[0].file, reason="", trouble=f"none can be restored: {chosen.reason}", hint=_AGAIN
        )

    def _restore(self, chosen: KeyDrillChoice) -> RestoredBackup:
        """Restore and compare the chosen backup, as every drill does."""
        self.report.say(f"{chosen.file} is restored: {chosen.reason}")
        restored = RestoredBackup(file=chosen.file, reason=chosen.reason)
        try:
            examination = drill.drill(self.env, BackupName.of(chosen.file))
        except LedgerError as error:
            return restored.model_copy(update={"trouble": error.message, "hint": error.hint})
        if bad := examination.bad:
            return restored.model_copy(update={"bad": bad.message, "hint": bad.hint})
        rung = examination.rung
        if rung is None or rung < Rung.EQUAL:
            word = rung.word if rung else "not even read"
            text = f"it is {word}, and was not compared with its seal"
            return restored.model_copy(update={"trouble": text, "hint": _AGAIN})
        return restored.model_copy(update={"rung": rung.word})


def _closed(encrypted: Sequence[BackupKey]) -> Iterator[ClosedBackup]:
    return (closed_backup(item) for item in encrypted if item.closed)
