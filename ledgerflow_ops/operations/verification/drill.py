"""Drills a backup: restores it into a throw-away server and compares with the seal. Climbs to *valid*."""

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import psycopg
from psycopg import sql

from ledgerflow_ops.adapters.cluster.scratch_cluster import ScratchCluster, memory, scratch_cluster
from ledgerflow_ops.adapters.connection.database import EVENT_TRIGGERS_OFF, Connection, Database
from ledgerflow_ops.adapters.inspection import database_properties
from ledgerflow_ops.adapters.inspection import preload_libraries as libraries
from ledgerflow_ops.adapters.inspection.refused_column_options import refused_options
from ledgerflow_ops.adapters.load import drop_database
from ledgerflow_ops.adapters.load.archive_loader import Load, Loaded
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.adapters.system import disk_space
from ledgerflow_ops.adapters.system.process import last_lines
from ledgerflow_ops.core import space_estimates
from ledgerflow_ops.core.catalog.files import FilesState
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import PROVEN, Rung
from ledgerflow_ops.core.checks import Check, passed
from ledgerflow_ops.core.comparison.seal_comparison import versions_sentence
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
"""Never 1: in parallel, pg_restore empties each table in the transaction that loads it, and the server then
appends rows in the order they come. In one job it fills gaps in earlier pages, and another order of the
same rows has another digest."""
_THREADS = 3
_MISSING_ROLE = re.compile(r'role "(.+?)" does not exist', re.DOTALL)
_RETRY_HINT = Hint(
    "This says nothing of the backup. Mend what the lines above say; then ", make("restore-test")
)


@holding_backup("drill")
def drill(env: EnvironmentContext, name: BackupName) -> Examination:
    """Restore a backup into a throw-away server and compare it with its seal, then apply the data rules.

    The examination's rung is *valid* when all of it holds; its `rto_seconds` is the measured restore
    time. CannotJudge (5) when the drill itself cannot be carried out; an earlier proof then stays.
    """
    with journal.recorded(env, "drill") as note:
        note["file"] = name.dump
        examination = Examination(env, name)
        with examination.doubted():
            verify_hashes(examination)
            if examination.bad is None:
                _Drill(examination).carry_out()
        env.ctx.reporter.step(Step.PROOF)
        examination.record()
        note |= examination.noted
    proof_ping.ping_after_proof(examination)
    return examination


class _Drill:
    """One drill at work."""

    def __init__(self, examination: Examination) -> None:
        self.examination = examination
        self.env = examination.env
        self.manifest = examination.manifest
        self.report = self.env.ctx.reporter
        self.places: dict[str, Path] = {}
        self.bootstrap = self.manifest.source.bootstrap_role if self.manifest else "postgres"

    def carry_out(self) -> None:
        """Go through the stages in a server that is gone afterwards."""
        watch = self.examination.watch
        server_tools = self._server_tools()
        with _as_drill_failure():
            in_memory, place = self._preflight(), self.env.ctx.lodging
        self.report.step(Step.CLUSTER)
        encoding = self.manifest.source.encoding if self.manifest else "UTF8"
        with (
            watch.phase("drill"),
            _as_drill_failure(),
            scratch_cluster(
                place,
                server_tools,
                self.bootstrap,
                encoding,
                self._preloading(server_tools),
                in_memory=in_memory,
            ) as server,
            self.env.file(self.examination.name.dump).local_path(server.cluster.data.parent) as self.path,
        ):
            self.examination.server_version = server_tools.version
            self._climb(server, server_tools)
            self.report.step(Step.CLEAN)

    def _preloading(self, server_tools: Tools) -> dict[str, str]:
        """The settings that preload what the backup's extensions need, as far as it is here."""
        if self.manifest is None:
            return {}
        needed = preload_libraries.libraries_needed(self.manifest.seal.extensions, self.manifest.preloaded)
        return preload_libraries.preload_settings(libraries.there(server_tools, needed), _COPY)

    def _climb(self, server: ScratchCluster, server_tools: Tools) -> None:
        examination, copy = self.examination, server.server.named(_COPY).as_user(self._own_role())
        copy = copy.within(self.env.settings.limits)
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
            again = pool.submit(restored_contents.read_copy, copy, self.manifest.contents, server.pipes)
            scratch = partial(self._scratch, server, copy)
            ddl = pool.submit(
                compare_restored_ddl, self.env.ctx, self.manifest, self.path, copy, server_tools, scratch
            )
            archived = SourceArchive(server_tools, self.env.file(examination.name.dump))
            answers = pool.submit(data_rules.check_rules, copy, self.env.rules)
            examination.stage(
                Rung.EQUAL,
                "restorable",
                "compare",
                lambda: self._compare(again, ddl, copy, archived),
            )
            examination.stage(Rung.VALID, "data_rules", "rules", lambda: self._rules(answers))

    def _server_tools(self) -> Tools:
        """A server not older than the source, whose pg_restore is not older than the dump's pg_dump."""
        manifest = self.manifest
        major = max(manifest.source.major, int(manifest.tool_version.split(".")[0])) if manifest else 0
        return self.env.ctx.server_tools(major)

    def _preflight(self) -> bool:
        """Whether the copy goes into memory; CannotJudge when there is no room for it on the disk either."""
        size = self.manifest.source.size if self.manifest else 10 * self._file_size()
        if self.manifest and self.manifest.files:
            size += space_estimates.files_need(self.manifest.files.size, len(self.manifest.files.entries))
        if space_estimates.fits_memory(size, self.env.ctx.settings.drill_in_memory_below, memory()):
            return True
        needed, free = space_estimates.drill_needs(size), disk_space.space(self.env.ctx.lodging.root).free
        if free < needed:
            raise CannotJudge(
                f"No room to restore into: about {format_size(needed)} needed, {format_size(free)} free "
                f"below {self.env.ctx.lodging.root}.",
                hint=Hint("Free room, or set state_dir to a larger disk. This says nothing of the backup."),
            )
        return False

    def _file_size(self) -> int:
        return self.env.store.size(self.examination.name.dump) or 0

    def _restore(self, server: ScratchCluster, copy: Database, server_tools: Tools) -> Iterator[Check]:
        """Roles first, then the whole archive, every error fatal."""
        self.report.step(Step.ROLES)
        with server.server.connect() as connection:
            self._make_own_role(connection)
        notes = ""
        if self.manifest:
            notes = roles.create_all_roles(self._keeper(server), self.env, self.manifest)
        with self._keeper(server).connect() as connection:
            stood_in = self._make_database(connection)
        notes = f" {notes}".rstrip() + stood_in
        self._without_public(copy)
        self.report.step(Step.RESTORE)
        loaded = self._load(server, copy, server_tools)
        if loaded.code:
            errors = last_lines(loaded.errors)
            if loaded.code < 0 or stood_in or load_errors.is_machine_error(loaded.errors):
                told = f"The backup could not be restored on this machine:{stood_in}\n{errors}"
                raise CannotJudge(told, hint=_RETRY_HINT)
            archive_loading.require_restorable_source(loaded, self.manifest, copy)
            raise BadBackup(
                f"pg_restore failed:\n{errors}", hint=Hint("Take another backup: ", make("backup"))
            )
        version = f"PostgreSQL {server_tools.version}"
        yield passed("restorable", f"Restored into an empty {version}, every error fatal.{notes}")

    def _unpack(self, state: FilesState, server: ScratchCluster) -> Iterator[Check]:
        """The files that go with the dump, made anew in a private folder beside the server's data."""
        self.report.step(Step.UNPACK)
        self.places = files_verification.drill_folders(state, server.cluster.data.parent / "files")
        files_verification.unpack_files(self.env, state, self.places, self.report.moved, durable=False)
        yield passed("restorable", f"{len(state.files)} files unpacked, {format_size(state.size)}.")

    def _load(self, server: ScratchCluster, copy: Database, server_tools: Tools) -> Loaded:
        """The archive loaded. Nobody knows the roles of one without a manifest: what it misses, it gets."""
        file, owners = self.path, self.manifest is not None
        without = refused_options(server_tools, file, copy)
        while True:
            how = Load(_JOBS, owners=owners, without=without)
            finished = archive_loading.load_archive(
                server_tools, copy, file, how, self.manifest, lambda: self._empty(server, copy)
            )
            missing = _MISSING_ROLE.search(finished.errors)
            if finished.code == 0 or owners or not missing:
                return finished
            with self._keeper(server).connect() as connection:
                connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(missing[1])))
            self._empty(server, copy)

    def _empty(self, server: ScratchCluster, copy: Database) -> None:
        """Begin anew with the copy."""
        drop_database.drop(self._keeper(server), _COPY)
        with self._keeper(server).connect() as connection:
            self._make_database(connection)
        self._without_public(copy)

    def _keeper(self, server: ScratchCluster) -> Database:
        """The server's own database, by the drill's own role: the backup's roles may lock out all others."""
        return server.server.as_user(self._own_role())

    def _own_role(self) -> str:
        """A superuser of the drill's own: the backup's may be kept from logging in, or from writing."""
        name = "ledgerflow_drill"
        while self.manifest and name in self.manifest.seal.roles:
            name += "_"
        return name

    def _make_own_role(self, connection: Connection) -> None:
        """The drill's superuser. Its values are packed by lz4 where the server can: pglz is slower."""
        role = sql.Identifier(self._own_role())
        connection.execute(sql.SQL("CREATE ROLE {} SUPERUSER LOGIN").format(role))
        with suppress(psycopg.errors.InvalidParameterValue, psycopg.errors.UndefinedObject):
            connection.execute(sql.SQL("ALTER ROLE {} SET default_toast_compression = lz4").format(role))

    @contextmanager
    def _scratch(self, server: ScratchCluster, copy: Database) -> Iterator[Database]:
        """A database that is as empty as the copy was."""
        with self._keeper(server).connect() as connection:
            self._make_database(connection, _SCRATCH)
        empty = copy.named(_SCRATCH)
        self._without_public(empty)
        yield empty  # it ends with the server

    def _make_database(self, connection: Connection, name: str = _COPY) -> str:
        """An empty database with the source's encoding and, where this machine has them, locale and provider.

        Returns a note for people where another had to do: it changes how text sorts, not what is stored.
        """
        facts = self.manifest.source if self.manifest else None
        encoding = facts.encoding if facts else "UTF8"
        wanted = (facts.collate, facts.ctype) if facts else ("C", "C")
        held = self.manifest.properties if self.manifest else None
        note = ""
        for locale, provided in ((wanted, held), (wanted, None), (("C", "C"), None)):
            try:
                database_properties.create(connection, name, (encoding, *locale), provided)
            except psycopg.errors.DatabaseError:
                note = f" The locale {wanted[0]} is not on this machine; C stood in."
                if provided and provided.locale:
                    note = f" The locale {provided.locale} of {wanted[0]} is not on this machine."
                continue
            break
        names = sql.Identifier(name), sql.Identifier(self.bootstrap)
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(*names))
        return note

    def _without_public(self, copy: Database) -> None:
        """Where the source has no schema public, the copy has none: a dump cannot say so."""
        if self.manifest and "schema public" not in self.manifest.seal.objects:
            with copy.connect() as connection:
                connection.execute("DROP SCHEMA public")

    def _compare(
        self, again: Future[RestoredCopy], ddl: Future[RestoredDdl], copy: Database, archived: SourceArchive
    ) -> Iterator[Check]:
        """The copy read and dumped again, and its own seal, all against what was committed."""
        self.report.step(Step.COMPARE)
        manifest = self.manifest
        assert manifest is not None
        found, redumped = again.result().without(manifest.unheld), ddl.result()
        differences = restored_contents.find_differences(found, copy, manifest, archived, redumped)
        wrong = (
            files_verification.compare_unpacked_files(manifest.files, self.places) if manifest.files else []
        )
        yield from difference_checks("restorable", wrong, "the manifest")
        yield from difference_checks("restorable", differences)
        if not differences and not wrong:
            yield passed("restorable", _equal_sentence(manifest, found, redumped))
            lacking = list(completeness.extension_member_checks(manifest, copy, found.seal.extensions))
            self.examination.ceiling = Rung.EQUAL if lacking else PROVEN
            yield from (*completeness.incomplete_checks(manifest), *lacking)

    def _rules(self, answers: Future[list[Check]]) -> list[Check]:
        """The verdict on the data rules, which were asked while the copy was compared."""
        self.report.step(Step.RULES)
        return answers.result()


@contextmanager
def _thread_pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for the server to be asked from. They are not waited for: they end with the server."""
    pool = ThreadPoolExecutor(_THREADS)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _equal_sentence(manifest: Manifest, found: RestoredCopy, redumped: RestoredDdl) -> str:
    sealed = manifest.seal
    held = f", {len(manifest.files.files)} files" if manifest.files else ""
    equal = (
        f"Equal to the seal ({sealed.depth}): {len(sealed.tables)} tables, {manifest.rows} rows, "
        f"{len(sealed.sequences)} sequences, {len(sealed.objects)} objects with owners and grants, "
        f"{len(sealed.roles)} roles{held}."
    )
    beside = (redumped.why_not, versions_sentence(sealed.extensions, found.seal.extensions))
    return " ".join(filter(None, (equal, *beside)))


@contextmanager
def _as_drill_failure() -> Iterator[None]:
    """A failure of the throw-away server is the drill's own trouble, not the backup's."""
    try:
        yield
    except (BadBackup, CannotJudge):
        raise
    except LedgerError as error:
        raise CannotJudge(f"The drill could not be carried out: {error.message}", hint=_RETRY_HINT) from None
    except OSError as error:
        raise CannotJudge(f"The drill could not be carried out: {error}.", hint=_RETRY_HINT) from None
