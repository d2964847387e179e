"""Takes a backup: one snapshot, one pass, the manifest last."""

from dataclasses import dataclass, replace
from datetime import date, datetime

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.dump import archive
from ledgerflow_ops.adapters.dump.client import Client
from ledgerflow_ops.adapters.inspection import database_properties, source
from ledgerflow_ops.adapters.inspection.oversized_values import name_oversized_values
from ledgerflow_ops.adapters.load import restore_server
from ledgerflow_ops.adapters.system import locks, memory_files
from ledgerflow_ops.adapters.system.clock import Stopwatch
from ledgerflow_ops.core.catalog import naming
from ledgerflow_ops.core.catalog.identity import Identity
from ledgerflow_ops.core.catalog.manifest import DatabaseProperties, Manifest, RoleFacts, Source
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.errors import BadBackup, LedgerError, Refused
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.models import FileFacts
from ledgerflow_ops.core.operation_requests import BackupRequest
from ledgerflow_ops.core.postgres.connection_limits import BACKUP
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations import identity, journal
from ledgerflow_ops.operations.backup import (
    account_rights,
    completeness,
    dump_space,
    globals_file,
    session_limits,
    snapshot_seal,
    standby_source,
)
from ledgerflow_ops.operations.backup.dump_snapshot import OpenSnapshot, open_snapshot, retry_unsettled
from ledgerflow_ops.operations.backup.file_placement import FilePlacement
from ledgerflow_ops.operations.backup.snapshot_seal import SnapshotSeal
from ledgerflow_ops.operations.cleanup import leftover_sweep, restore_leftovers
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.files import files_backup, files_restore
from ledgerflow_ops.operations.history import recording
from ledgerflow_ops.operations.history.own_history import is_missed
from ledgerflow_ops.operations.quarantined import is_quarantined

_DISK_HINT = Hint("Nothing was kept. Check the disk; then run the backup again.")


@dataclass(frozen=True, slots=True)
class _Preflight:
    """What the preflight checks found. `expected_size` is in bytes, 0 where it is not known."""

    database: Database
    source: Source
    properties: DatabaseProperties
    client: Client
    name: BackupName | None
    expected_size: int
    full_seal: bool
    identity: Identity


@dataclass(frozen=True, slots=True)
class _RolesFile:
    """The roles file's facts, or None and `note` with the reason; the roles, and pg_dumpall's output."""

    file: FileFacts | None
    note: str
    facts: dict[str, RoleFacts]
    output: str = ""


_STANDARD = BackupRequest()


def backup(env: EnvironmentContext, request: BackupRequest = _STANDARD, day: date | None = None) -> Manifest:
    """Take a backup of the environment and return the manifest that commits it.

    `day` is the day that it is for; Refused unless that is today.

    Busy or Refused (3) before anything is touched, SettingsError (2) for an impossible name, LedgerError (1)
    when the backup could not be made, BadBackup (4) when it does not hold what the database had. After any
    of these no new backup exists, and the earlier ones are untouched.
    """
    ctx = env.ctx
    with (
        journal.recorded(env, "backup") as note,
        locks.environment_lock(ctx.settings.state_dir, env.environment, "backup", ctx.clock()),
    ):
        manifest = make_backup(env, request, day)
        note |= {"file": manifest.dump.file, "size": manifest.dump.size, "rung": Rung.WRITTEN.word}
        return manifest


def make_backup(
    env: EnvironmentContext, request: BackupRequest, day: date | None = None, *, safety: bool = False
) -> Manifest:
    """As `backup`, for an operation that already holds the environment's lock.

    A `safety` backup takes whatever database is there now, even one that was not remembered.
    """
    return _Backup(env, request, day, safety=safety).make()


def refuse_other_days(env: EnvironmentContext, day: date | None) -> None:
    """Refused when `day` is not today: today's data is never stored under another day's name."""
    if day is not None and day != env.today():
        raise Refused(
            f"There is no backup of {env.environment} for {day}, and none can be made any more: "
            f"today is {env.today()}, and the database as of {day} is gone.",
            hint=Hint(
                "If a dump of that day exists somewhere, put it with its manifest into "
                f"{env.store.location} and run this again: it will be adopted."
            ),
        )


def requested_name(env: EnvironmentContext, file: str | None) -> BackupName | None:
    """The backup name that FILE= requests; None without it.

    SettingsError (2) for an impossible name, Refused (3) for one that no new backup may have.
    """
    name = naming.custom_name(env.environment, file, encrypted=env.encrypts) if file else None
    if name and (why := _why_unavailable(env, name)):
        raise Refused(
            why, hint=Hint("Backups are never overwritten. Leave FILE out, or choose another name.")
        )
    return name


def _why_unavailable(env: EnvironmentContext, name: BackupName) -> str:
    """Why no new backup may have this name; empty where it may.

    A backup of this stem, or a part of one, may be in the store, encrypted or plain, or in quarantine; or the
    history misses one.
    """
    files = (file for either in name.both for file in (either.dump, either.files, either.manifest))
    if any(env.store.taken(file) for file in files):
        return f"{env.store.describe(name.dump)} exists already."
    if is_quarantined(env, name):
        return f"{name.dump} is in quarantine: it could not be put back beside another one of its name."
    if is_missed(env, name):
        return f"{name.dump} is missing by the history: another one of its name would hide that."
    return ""


class _Backup:
    """One backup in the making."""

    def __init__(
        self, env: EnvironmentContext, request: BackupRequest, day: date | None, *, safety: bool
    ) -> None:
        self.env, self.request, self.day, self.safety = env, request, day, safety
        self.report = env.ctx.reporter
        self.watch = Stopwatch()

    def make(self) -> Manifest:
        begun = self.env.ctx.clock()
        with self.watch.phase("preflight"):
            self.report.step(Step.PREFLIGHT)
            ready = self._preflight()
        return retry_unsettled(lambda: self._attempt(begun, ready), self.report)

    def _attempt(self, begun: datetime, ready: _Preflight) -> Manifest:
        """One attempt, from its snapshot on."""
        self.report.step(Step.SNAPSHOT)
        recording.prepare()
        opening = open_snapshot(ready.database, ready.client, self.report, self._instant)
        with (
            account_rights.explain_errors(ready.database),
            opening as snapshot,
            name_oversized_values(snapshot.snapshot.connection.at),
        ):
            point = standby_source.recovery_point_of(
                self.env, snapshot.snapshot.standby, snapshot.recovery_point, self.day
            )
            snapshot, name = replace(snapshot, recovery_point=point), self._name(ready, point)
            self.placement = FilePlacement(self.env, name)
            with self.placement.all_or_none():
                return self._write(begun, ready, snapshot, name)

    def _preflight(self) -> _Preflight:
        """All checks that can refuse the backup before a byte is written."""
        env, settings = self.env, self.env.settings
        refuse_other_days(env, self.day)
        name = requested_name(env, self.request.file)
        if files_restore.unfinished_swaps(
            env
        ):  # a crash among a restore's renames: half of a pair is no state to back up
            restore_leftovers.sweep(env)
        database = restore_server.without_event_triggers(env.database())
        with database.connect() as connection:
            facts = source.read_source_facts(connection)
            outside = database_properties.read_properties(connection, facts.database)
            observed = identity.observed_identity(env, database, connection, facts)
            database = database.pinned_to(connection)
            session_limits.require_sessions(connection, BACKUP, "A backup")
        identity.is_own_database(env, replace(observed, seen=None) if self.safety else observed)
        env.store.prepare()
        leftover_sweep.sweep_before_operation(env)
        chosen = env.ctx.client_tools(facts.server_version)
        client = Client(chosen, database.variables(), database.inside)
        expected = dump_space.require_space(env, facts)
        full = self.request.full_seal or facts.size < settings.full_seal_below
        return _Preflight(database, facts, outside, client, name, expected, full, observed)

    def _instant(self) -> datetime:
        """The recovery point, read just before the snapshot, from the clock that the RPO is computed with."""
        now = self.env.ctx.clock()
        day = now.astimezone(self.env.settings.zone).date()
        if self.day is not None and day != self.day:
            raise LedgerError(
                f"Midnight passed: the backup was requested for {self.day}, and it is {day} now.",
                hint=Hint("Run it again; it will be stored under the new day."),
            )
        return now

    def _name(self, ready: _Preflight, recovery_point: datetime) -> BackupName:
        if ready.name:
            return ready.name
        local = recovery_point.astimezone(self.env.settings.zone)
        for name in naming.default_names(self.env.environment, local, encrypted=self.env.encrypts):
            if not _why_unavailable(self.env, name):
                return name
        raise Refused(
            f"There is already a backup of this second ({local:%Y-%m-%d %H:%M:%S}).",
            hint=Hint("Run it again."),
        )

    def _write(self, begun: datetime, ready: _Preflight, opening: OpenSnapshot, name: BackupName) -> Manifest:
        """Seal, dump, commit and read back; returns the manifest."""
        recovery_point, snapshot = opening.recovery_point, opening.snapshot
        self.report.step(Step.SEAL)
        with self.watch.phase("seal"):
            sealed = snapshot_seal.take_seal(
                snapshot, opening.inventory, opening.sequences, self.report.moved, full=ready.full_seal
            )
        streamed, dumped = self._dump(ready, opening, name, sealed)
        with self.watch.phase("table of contents"), memory_files.readable_path(streamed.head) as head:
            entries = archive.list_entries(ready.client.tools, head)
        self.report.step(Step.GLOBALS)
        with self.watch.phase("globals"):
            roles = self._globals(ready, name, sealed.seal.roles)
        warnings = completeness.collect_warnings(self.env, snapshot, streamed.messages, roles.output, entries)
        with self.watch.phase("files"):
            files_state = files_backup.back_up_files(self.env, name, self.placement.place)
        manifest = Manifest(
            environment=self.env.environment,
            backup_day=recovery_point.astimezone(self.env.settings.zone).date(),
            time_zone=self.env.settings.time_zone,
            recovery_point=recovery_point,
            lsn=snapshot.lsn,
            started_at=begun,
            finished_at=self.env.ctx.clock(),
            sample=self.env.is_sample,
            dump=dumped,
            globals=roles.file,
            globals_note=roles.note,
            files=files_state,
            compression=ready.client.compression,
            tool_version=ready.client.version,
            source=snapshot.source,
            toc=archive.summarize_entries(entries),
            warnings=warnings,
            unheld=standby_source.unlogged_names(snapshot.standby),
            seal=sealed.seal.model_copy(update={"roles": roles.facts}),
            contents=streamed.contents,
            properties=ready.properties,
            notes=sealed.notes,
            preloaded=sealed.preloaded,
            members=sealed.members or None,
            recipients=self.env.settings.all_recipients or None,
            run=self.env.ctx.run,
            durations=dict(self.watch.durations),
        )
        self._commit(name, manifest)
        identity.remember_backed_up(self.env, ready.identity, safety=self.safety)
        return manifest

    def _dump(
        self, ready: _Preflight, opened: OpenSnapshot, name: BackupName, sealed: SnapshotSeal
    ) -> tuple[archive.StreamedArchive, FileFacts]:
        """Write the dump durably under its final name, after checking that it holds what the source had."""
        store, tools_ = self.env.store, ready.client.tools
        self.report.step(Step.DUMP)
        with self.watch.phase("dump"), store.create(name.dump, self.env.codec) as file:
            streamed = archive.stream_archive(
                tools_,
                opened.dump,
                file,
                lambda done: self.report.moved(done, ready.expected_size or None),
                opened.watched,
            )
            self.report.step(Step.FINISH)
            size, sha256 = file.end()
            snapshot_seal.require_complete_archive(sealed, opened.snapshot, streamed, tools_, opened.ddl.read)
            self.report.step(Step.SYNC)
            file.sync()
            self.report.step(Step.RENAME)
            self.placement.place(file)
        return streamed, FileFacts(file=name.dump, size=size, sha256=sha256)

    def _globals(self, ready: _Preflight, name: BackupName, sealed: dict[str, RoleFacts]) -> _RolesFile:
        """Write the roles file beside the dump, if the account may read the roles."""
        database, encoding = ready.database, ready.source.encoding
        passwords = self.env.settings.role_passwords
        script = globals_file.read_globals(ready.client, database, encoding, sealed, passwords=passwords)
        if script.script is None:
            return _RolesFile(None, script.note, script.facts)
        with self.env.store.create(name.globals, self.env.codec) as file:
            file.write(script.script)
            file.sync()
            self.placement.place(file)
            size, sha256 = file.end()
        facts = FileFacts(file=name.globals, size=size, sha256=sha256)
        return _RolesFile(facts, "", script.facts, script.output)

    def _commit(self, name: BackupName, manifest: Manifest) -> None:
        """Write the manifest, which makes the dump a backup, and read everything back from the disk."""
        self.report.step(Step.COMMIT)
        with recording.committing(self.env, manifest):
            with self.placement.placing(name.manifest):
                self.env.store.put(name.manifest, manifest.encode())
            self._read_back(name, manifest)
            self.report.step(Step.RECORD)

    def _read_back(self, name: BackupName, manifest: Manifest) -> None:
        """Read everything back from the disk; BadBackup where it is not what was written."""
        store = self.env.store
        self.report.step(Step.READ_BACK)
        read_again = Manifest.decode(store.read(name.manifest), name.manifest)
        for facts in (manifest.dump, manifest.globals, manifest.files.archive if manifest.files else None):
            if facts and store.content(facts.file) != (facts.size, facts.sha256):
                raise BadBackup(f"{facts.file} on the disk is not what was written to it.", hint=_DISK_HINT)
        if read_again != manifest:
            raise BadBackup(f"{name.manifest} on the disk is not what was written to it.", hint=_DISK_HINT)
