"""Drills a backup: restores it into a temporary server, compares it with the seal, proves up to *valid*."""

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import psycopg
from psycopg import sql

from ledgerflow_ops.adapters.cluster.scratch_cluster import ScratchCluster, available_memory, scratch_cluster
from ledgerflow_ops.adapters.connection.database import EVENT_TRIGGERS_OFF, Connection, Database
from ledgerflow_ops.adapters.inspection import database_properties
from ledgerflow_ops.adapters.inspection import preload_libraries as libraries
from ledgerflow_ops.adapters.inspection.refused_column_options import refused_options
from ledgerflow_ops.adapters.load import drop_database
from ledgerflow_ops.adapters.load.archive_loader import LoadOptions, LoadResult
from ledgerflow_ops.adapters.load.load_progress import LoadProgress
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.adapters.system import disk_space
from ledgerflow_ops.adapters.system.process import last_lines
from ledgerflow_ops.core import space_estimates
from ledgerflow_ops.core.catalog.files import FilesState
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import PROVEN, Rung
from ledgerflow_ops.core.checks import Check, passed
from ledgerflow_ops.core.comparison.seal_comparison import sealed_counts, versions_sentence
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.errors import BadBackup, CannotJudge, LedgerError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.loading import load_errors, preload_libraries
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.operations import journal
from ledgerflow_ops.operations.alerting import proof_ping
from ledgerflow_ops.operations.backup import completeness
from ledgerflow_ops.operations.backup_lock import holding_backup
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.files import files_verification
from ledgerflow_ops.operations.verification import archive_loading, data_rules, restored_contents, roles
from ledgerflow_ops.operations.verification.examination import Examination
from ledgerflow_ops.operations.verification.restored_contents import RestoredCopy, SourceArchive
from ledgerflow_ops.operations.verification.restored_ddl import RestoredDdl, compare_restored_ddl
from ledgerflow_ops.operations.verification.verify import difference_checks, verify_hashes

_COPY, _SCRATCH = "ledgerflow_copy", "ledgerflow_scratch"
_JOBS = 2
"""Never 1. With parallel jobs pg_restore truncates each table in the transaction that loads it, and the
server appends the rows in order. With one job it fills gaps in earlier pages, and a different order of rows
gives a different digest."""
_THREADS = 3
_MISSING_ROLE = re.compile(r'role "(.+?)" does not exist', re.DOTALL)
_RETRY = Hint("This says nothing about the backup. Fix what the lines above say; then ", make("restore-test"))


@holding_backup("drill")
def drill(env: EnvironmentContext, name: BackupName) -> Examination:
    """Restore a backup into a temporary server, compare it with its seal, and check the data rules.

    The examination's rung is *valid* when everything holds; its `rto_seconds` is the measured time of the
    restore. CannotJudge (5) when the drill cannot be carried out; an earlier proof then stays.
    """
    with journal.recorded(env, "drill") as note:
        note["file"] = name.dump
        examination = Examination(env, name.among(env.store.taken))
        with examination.translated_failures():
            verify_hashes(examination)
            if examination.bad is None:
                _Drill(examination).carry_out()
        env.ctx.reporter.step(Step.PROOF)
        examination.record()
        note |= examination.journal_fields
    proof_ping.ping_after_proof(examination)
    return examination


class _Drill:
    """One running drill."""

    def __init__(self, examination: Examination) -> None:
        self.examination = examination
        self.env = examination.env
        self.manifest = examination.manifest
        self.report = self.env.ctx.reporter
        self.places: dict[str, Path] = {}
        self.bootstrap = self.manifest.source.bootstrap_role if self.manifest else "postgres"

    def carry_out(self) -> None:
        """Carry out the stages in a server that is removed afterwards."""
        watch = self.examination.watch
        programs = self._server_tools()
        with _as_drill_failure():
            in_memory, place = self._preflight(), self.env.ctx.server_home
        self.report.step(Step.CLUSTER)
        encoding = self.manifest.source.encoding if self.manifest else "UTF8"
        with (
            self.examination.damage_as_check("integrity", "cipher"),
            watch.phase("drill"),
            _as_drill_failure(),
            scratch_cluster(
                place, programs, self.bootstrap, encoding, self._preloading(programs), in_memory=in_memory
            ) as server,
            self.env.file(self.examination.name.dump).local_path(server.cluster.data.parent) as self.path,
        ):
            self.examination.server_version = programs.version
            self._run_stages(server, programs)
            self.report.step(Step.CLEAN)

    def _preloading(self, server_tools: Tools) -> dict[str, str]:
        """The settings that preload the libraries of the backup's extensions, where installed here."""
        if self.manifest is None:
            return {}
        needed = preload_libraries.libraries_needed(self.manifest.seal.extensions, self.manifest.preloaded)
        return preload_libraries.preload_settings(libraries.installed_libraries(server_tools, needed), _COPY)

    def _run_stages(self, server: ScratchCluster, server_tools: Tools) -> None:
        examination, copy = self.examination, server.server.named(_COPY).as_user(self._own_role())
        copy = copy.with_limits(self.env.settings.limits)
        if server_tools.major >= EVENT_TRIGGERS_OFF:
            copy = copy.without_event_triggers()
        examination.stage(
            Rung.RESTORED, "restorable", "restore", lambda: self._restore(server, copy, server_tools)
        )
        if self.manifest and self.manifest.files:
            state = self.manifest.files
            examination.stage(Rung.RESTORED, "restorable", "files", lambda: self._unpack(state, server))
        durations = examination.watch.durations
        examination.rto_seconds = round(durations.get("restore", 0.0) + durations.get("files", 0.0), 3)
        if examination.bad:
            return
        with _thread_pool() as pool:
            if self.manifest is None:
                examination.checks += data_rules.check_rules(copy, self.env.rules)
                return
            reading = pool.submit(restored_contents.read_copy, copy, self.manifest.contents, server.pipes)
            scratch = partial(self._scratch, server, copy)
            ddl = pool.submit(
                compare_restored_ddl, self.env.ctx, self.manifest, self.path, copy, server_tools, scratch
            )
            source_archive = SourceArchive(server_tools, self.env.file(examination.name.dump))
            answers = pool.submit(data_rules.check_rules, copy, self.env.rules)
            examination.stage(
                Rung.EQUAL,
                "restorable",
                "compare",
                lambda: self._compare(reading, ddl, copy, source_archive),
            )
            examination.stage(Rung.VALID, "data_rules", "rules", lambda: self._rules(answers))

    def _server_tools(self) -> Tools:
        """Server programs that are not older than the source, nor than the pg_dump that wrote the dump."""
        manifest = self.manifest
        major = max(manifest.source.major, int(manifest.tool_version.split(".")[0])) if manifest else 0
        return self.env.ctx.server_tools(major)

    def _preflight(self) -> bool:
        """Whether the copy goes into memory; CannotJudge when there is no space for it on the disk either."""
        stored = self.env.store.size(self.examination.name.dump) or 0
        size = self.manifest.source.size if self.manifest else 10 * stored
        if self.manifest and self.manifest.files:
            size += space_estimates.files_need(self.manifest.files.size, len(self.manifest.files.entries))
        size += stored if self.examination.name.encrypted else 0  # its decrypted copy
        if space_estimates.fits_memory(size, self.env.ctx.settings.drill_in_memory_below, available_memory()):
            return True
        needed, free = (
            space_estimates.drill_needs(size),
            disk_space.read_disk_space(self.env.ctx.server_home.root).free,
        )
        if free < needed:
            raise CannotJudge(
                f"Not enough space to restore into: about {format_size(needed)} needed, "
                f"{format_size(free)} free below {self.env.ctx.server_home.root}.",
                hint=Hint(
                    "Free space, or set state_dir to a larger disk. This says nothing about the backup."
                ),
            )
        return False

    def _restore(self, server: ScratchCluster, copy: Database, server_tools: Tools) -> Iterator[Check]:
        """Create the roles, then load the whole archive. Every error is fatal."""
        self.report.step(Step.ROLES)
        with server.server.connect() as connection:
            self._make_own_role(connection)
        notes = ""
        if self.manifest:
            notes = roles.create_all_roles(self._maintenance(server), self.env, self.manifest)
        with self._maintenance(server).connect() as connection:
            stood_in = self._make_database(connection)
        notes = f" {notes}".rstrip() + stood_in
        self._drop_public(copy)
        self.report.step(Step.RESTORE)
        loaded = self._load(server, copy, server_tools)
        if loaded.code:
            errors = last_lines(loaded.errors)
            if loaded.code < 0 or stood_in or load_errors.is_machine_error(loaded.errors):
                message = f"The backup could not be restored on this machine:{stood_in}\n{errors}"
                raise CannotJudge(message, hint=_RETRY)
            archive_loading.require_restorable_source(loaded, self.manifest, copy)
            raise BadBackup(
                f"pg_restore failed:\n{errors}", hint=Hint("Take another backup: ", make("backup"))
            )
        version = f"PostgreSQL {server_tools.version}"
        yield passed("restorable", f"Restored into an empty {version}, every error fatal.{notes}")

    def _unpack(self, state: FilesState, server: ScratchCluster) -> Iterator[Check]:
        """Unpack the files that go with the dump into a private folder beside the server's data."""
        self.report.step(Step.UNPACK)
        self.places = files_verification.drill_folders(state, server.cluster.data.parent / "files")
        files_verification.unpack_files(self.env, state, self.places, self.report.moved, durable=False)
        yield passed(
            "restorable", f"{count_of(len(state.files), 'file')} unpacked, {format_size(state.size)}."
        )

    def _load(self, server: ScratchCluster, copy: Database, server_tools: Tools) -> LoadResult:
        """Load the archive. Without a manifest its roles are not known: each missing one is created."""
        file, owners = self.path, self.manifest is not None
        without = refused_options(server_tools, file, copy)
        progress = LoadProgress(self._maintenance(server), self.report)
        while True:
            how = LoadOptions(_JOBS, owners=owners, without=without)
            finished = archive_loading.load_archive(
                server_tools, copy, file, how, self.manifest, lambda: self._empty(server, copy), progress
            )
            missing = _MISSING_ROLE.search(finished.errors)
            if finished.code == 0 or owners or not missing:
                return finished
            with self._maintenance(server).connect() as connection:
                connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(missing[1])))
            self._empty(server, copy)

    def _empty(self, server: ScratchCluster, copy: Database) -> None:
        """Drop the copy and create it empty again."""
        drop_database.drop_database(self._maintenance(server), _COPY)
        with self._maintenance(server).connect() as connection:
            self._make_database(connection)
        self._drop_public(copy)

    def _maintenance(self, server: ScratchCluster) -> Database:
        """The maintenance database, by the drill's own role: the backup's roles may lock out all others."""
        return server.server.as_user(self._own_role())

    def _own_role(self) -> str:
        """The name of the drill's own superuser: the backup's may be unable to log in or to write."""
        name = "ledgerflow_drill"
        while self.manifest and name in self.manifest.seal.roles:
            name += "_"
        return name

    def _make_own_role(self, connection: Connection) -> None:
        """Create the drill's superuser. Its values are compressed by lz4 where available: pglz is slower."""
        role = sql.Identifier(self._own_role())
        connection.execute(sql.SQL("CREATE ROLE {} SUPERUSER LOGIN").format(role))
        with suppress(psycopg.errors.InvalidParameterValue, psycopg.errors.UndefinedObject):
            connection.execute(sql.SQL("ALTER ROLE {} SET default_toast_compression = lz4").format(role))

    @contextmanager
    def _scratch(self, server: ScratchCluster, copy: Database) -> Iterator[Database]:
        """An empty database, made like the copy."""
        with self._maintenance(server).connect() as connection:
            self._make_database(connection, _SCRATCH)
        empty = copy.named(_SCRATCH)
        self._drop_public(empty)
        yield empty  # it is removed with the server

    def _make_database(self, connection: Connection, name: str = _COPY) -> str:
        """Create an empty database with the source's encoding and, where available, locale and provider.

        Returns a note where another locale is used: that changes how text sorts, not what is stored.
        """
        facts = self.manifest.source if self.manifest else None
        encoding = facts.encoding if facts else "UTF8"
        wanted = (facts.collate, facts.ctype) if facts else ("C", "C")
        properties = self.manifest.properties if self.manifest else None
        note = ""
        for locale, provided in ((wanted, properties), (wanted, None), (("C", "C"), None)):
            try:
                database_properties.create_database(connection, name, (encoding, *locale), provided)
            except psycopg.errors.DatabaseError:
                note = f" The locale {wanted[0]} is not on this machine; C was used."
                if provided and provided.locale:
                    note = f" The locale {provided.locale} of {wanted[0]} is not on this machine."
                continue
            break
        names = sql.Identifier(name), sql.Identifier(self.bootstrap)
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(*names))
        return note

    def _drop_public(self, copy: Database) -> None:
        """Drop the copy's schema public where the source has none: a dump does not drop it."""
        if self.manifest and "schema public" not in self.manifest.seal.objects:
            with copy.connect() as connection:
                connection.execute("DROP SCHEMA public")

    def _compare(
        self, reading: Future[RestoredCopy], ddl: Future[RestoredDdl], copy: Database, archived: SourceArchive
    ) -> Iterator[Check]:
        """Compare the copy's contents, DDL and seal with what was committed."""
        self.report.step(Step.COMPARE)
        manifest = self.manifest
        assert manifest is not None
        restored, redumped = reading.result().without(manifest.unheld), ddl.result()
        differences = restored_contents.find_differences(restored, copy, manifest, archived, redumped)
        state = manifest.files
        file_differences = files_verification.compare_unpacked_files(state, self.places) if state else []
        yield from difference_checks("restorable", file_differences, "the manifest")
        yield from difference_checks("restorable", differences)
        if not differences and not file_differences:
            yield passed("restorable", _equal_sentence(manifest, restored, redumped))
            lacking = list(completeness.extension_member_checks(manifest, copy, restored.seal.extensions))
            self.examination.ceiling = Rung.EQUAL if lacking else PROVEN
            yield from (*completeness.incomplete_checks(manifest), *lacking)

    def _rules(self, answers: Future[list[Check]]) -> list[Check]:
        """The result of the data rules, which ran while the copy was compared."""
        self.report.step(Step.RULES)
        return answers.result()


@contextmanager
def _thread_pool() -> Iterator[ThreadPoolExecutor]:
    """Threads that query the server. They are not joined: they end with the server."""
    pool = ThreadPoolExecutor(_THREADS)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _equal_sentence(manifest: Manifest, restored: RestoredCopy, redumped: RestoredDdl) -> str:
    sealed = manifest.seal
    equal = f"Equal to the seal ({sealed.depth}): {sealed_counts(manifest)}."
    remarks = (redumped.skip_reason, versions_sentence(sealed.extensions, restored.seal.extensions))
    return " ".join(filter(None, (equal, *remarks)))


@contextmanager
def _as_drill_failure() -> Iterator[None]:
    """Turn a failure of the temporary server into CannotJudge: it says nothing about the backup."""
    try:
        yield
    except (BadBackup, CannotJudge):
        raise
    except LedgerError as error:
        raise CannotJudge(f"The drill could not be carried out: {error.message}", hint=_RETRY) from None
    except OSError as error:
        raise CannotJudge(f"The drill could not be carried out: {error}.", hint=_RETRY) from None
