"""Wrong targets and odd ones: refused with everything untouched, or restored like any other."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.config import Settings
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError, Refused, SettingsError
from ledgerflow_ops.core.operation_requests import BackupRequest, RestoreRequest, RollbackRequest
from ledgerflow_ops.operations import identity
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext
from ledgerflow_ops.operations.restore import restore, rollback
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import Recorder
from ledgerflow_ops_tests.fakes import sandboxes, servers, targets
from ledgerflow_ops_tests.fakes.servers import Server
from ledgerflow_ops_tests.fakes.targets import RestoreTarget

DEV, TEST, PROD = Environment.DEV, Environment.TEST, Environment.PROD


class Two:
    """dev and prod, each with a database and a backup of its own below one root."""

    def __init__(self, root: Path, dev: Database, prod: Database) -> None:
        self.root, self.databases = root, {DEV: dev, PROD: prod}
        for environment in (DEV, PROD):
            env = self.env(environment)
            backup.backup(env, BackupRequest(file="mine.dump"))
        self.seals = {
            environment: targets.sealed_contents(found) for environment, found in self.databases.items()
        }

    def env(
        self, environment: Environment, urls: dict[Environment, Database] | None = None
    ) -> EnvironmentContext:
        settings = Settings(
            backup_root=self.root / "backups",
            state_dir=self.root / "state",
            environments={
                name: {"database_url": builders.database_url(found)}
                for name, found in (urls or self.databases).items()
            },
        )
        return EnvironmentContext(OperationContext(settings, Recorder()), environment)

    def folder(self, environment: Environment) -> Path:
        return self.root / "backups" / environment

    def untouched(self) -> bool:
        return all(
            targets.sealed_contents(found) == self.seals[name] for name, found in self.databases.items()
        )


@pytest.fixture(scope="module")
def two(session_root: Path, server: Server) -> Iterator[Two]:
    with sandboxes.temporary_folder(session_root) as root:
        dev, prod = server.books("two_dev"), server.books("two_prod")
        with prod.connect() as connection:
            connection.execute(
                "UPDATE public.profiles_transaction SET description = 'prod''s own' WHERE id = 1"
            )
        yield Two(root, dev, prod)


def swapped(two: Two) -> EnvironmentContext:
    return two.env(DEV, {DEV: two.databases[PROD], PROD: two.databases[DEV]})


def forgotten(two: Two) -> EnvironmentContext:
    """As swapped, and the state folder is a new one that remembers nothing."""
    env = swapped(two)
    settings = env.ctx.settings.model_copy(update={"state_dir": two.root / "elsewhere"})
    return EnvironmentContext(OperationContext(settings, Recorder()), DEV)


def only_prods(two: Two) -> EnvironmentContext:
    """dev's URL leads to prod's database; prod has no URL here."""
    return two.env(DEV, {DEV: two.databases[PROD]})


def renamed(two: Two) -> str:
    """prod's dump, manifest and all, among dev's files under a name of dev's."""
    for ending in (".dump", ".manifest.json", ".globals.sql"):
        shutil.copy(
            two.folder(PROD) / f"mine{ending}", two.folder(DEV) / f"ledgerflow_dev_20261123_0000{ending}"
        )
    return "ledgerflow_dev_20261123_0000.dump"


def other_manifest(two: Two) -> str:
    """dev's dump under prod's manifest."""
    shutil.copy(two.folder(DEV) / "mine.dump", two.folder(DEV) / "mixed.dump")
    shutil.copy(two.folder(PROD) / "mine.manifest.json", two.folder(DEV) / "mixed.manifest.json")
    return "mixed.dump"


def no_manifest(two: Two) -> str:
    shutil.copy(two.folder(DEV) / "mine.dump", two.folder(DEV) / "bare.dump")
    return "bare.dump"


def damaged(two: Two) -> str:
    """A backup of dev's own, with one bit of it flipped."""
    file = two.folder(DEV) / "hurt.dump"
    if not file.exists():
        backup.backup(two.env(DEV), BackupRequest(file=file.name))
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    return file.name


def linked(two: Two) -> str:
    link = two.folder(DEV) / "linked.dump"
    if not link.is_symlink():
        link.symlink_to(two.folder(PROD) / "mine.dump")
        shutil.copy(two.folder(PROD) / "mine.manifest.json", two.folder(DEV) / "linked.manifest.json")
    return "linked.dump"


@pytest.mark.parametrize(
    ("at", "file", "words"),
    [
        (swapped, "mine.dump", "its URL leads to prod's database"),
        (forgotten, "mine.dump", "but prod's backups are of database"),
        (only_prods, "mine.dump", "prod's"),
        (None, "../prod/mine.dump", "is not in dev's folder"),
        (None, "/etc/passwd", "is not in dev's folder"),
        (None, "nothing.dump", "There is no nothing.dump"),
        (None, "2020-01-01", "has no backup that is"),
        (None, renamed, "another file|environment|is prod's|commits"),
        (None, other_manifest, "is prod's|commits"),
        (None, no_manifest, "has no manifest"),
        (None, damaged, "has changed since it was committed"),
        (None, linked, "not a regular file|is prod's"),
    ],
)
@pytest.mark.parametrize("force", [False, True])
def test_a_wrong_target_or_file_is_refused_and_nothing_is_touched(
    two: Two,
    at: Callable[[Two], EnvironmentContext] | None,
    file: str | Callable[[Two], str],
    words: str,
    force: bool,
) -> None:
    env = at(two) if at else two.env(DEV)
    name = file if isinstance(file, str) else file(two)
    with pytest.raises(Refused, match=words) as refusal:
        restore.restore(env, RestoreRequest(environment=DEV, file=name, force=force))
    assert refusal.value.exit_code == 3
    assert refusal.value.hint
    assert two.untouched()


@pytest.mark.parametrize(
    ("environment", "source", "confirmed", "words"),
    [
        (PROD, None, "", r"There is no other\.dump"),
        (PROD, DEV, "", "and this is prod"),
        (PROD, DEV, "yes", "and this is prod"),
        (PROD, DEV, "PROD", "and this is prod"),
        (PROD, DEV, "dev", "and this is prod"),
        (DEV, TEST, "dev", r"There is no other\.dump"),
    ],
)
def test_another_environments_backup_has_to_be_meant(
    two: Two, environment: Environment, source: Environment | None, confirmed: str, words: str
) -> None:
    for ending in (".dump", ".manifest.json", ".globals.sql"):
        (two.folder(DEV) / f"other{ending}").unlink(missing_ok=True)
    name = "mine.dump" if source is DEV else "other.dump"
    with pytest.raises(Refused, match=words):
        restore.restore(
            two.env(environment),
            RestoreRequest(
                environment=environment, file=name, from_env=source, confirm=confirmed, force=True
            ),
        )
    assert two.untouched()


def test_one_that_is_meant_is_restored_where_it_is_meant_to_go(root: Path, server: Server) -> None:
    two = Two(root, server.books("meant_dev"), server.books("meant_prod"))
    done = restore.restore(
        two.env(PROD),
        RestoreRequest(environment=PROD, file="mine.dump", from_env=DEV, confirm="prod", force=True),
    )
    assert done.bad is None
    assert targets.sealed_contents(two.databases[PROD]).tables == two.seals[DEV].tables
    assert targets.sealed_contents(two.databases[DEV]) == two.seals[DEV], "dev's own is not touched"


def test_sample_data_does_not_go_into_somebodys_own_database(field: RestoreTarget) -> None:
    # The sample of the embedded server, backed up as test's; restored into dev's own database.
    state = field.sandbox.root / "state"
    ctx = field.env().ctx
    sample = ctx.env(TEST)
    backup.backup(sample, BackupRequest(file="sample.dump"))
    before = field.seal()
    try:
        with pytest.raises(Refused, match="SAMPLE DATA") as refusal:
            restore.restore(
                field.env(), RestoreRequest(environment=DEV, file="sample.dump", from_env=TEST, force=True)
            )
        assert "CONFIRM=dev" in refusal.value.hint
        assert field.seal() == before
    finally:
        ctx.embedded.stop()
    assert state.exists()


def test_an_unknown_database_with_data_in_it_is_not_overwritten_until_somebody_says_whose_it_is(
    field: RestoreTarget, server: Server
) -> None:
    other = server.books("strangers")
    before = targets.sealed_contents(other)
    sandbox = sandboxes.Sandbox(field.sandbox.root, other)
    (field.sandbox.root / "state" / "identities.json").unlink()
    with pytest.raises(Refused, match="has never been seen as dev's") as refusal:
        restore.restore(sandbox.env(), RestoreRequest(environment=DEV, file="first.dump", force=True))
    assert "make identity ACCEPT=1" in refusal.value.hint
    assert targets.sealed_contents(other) == before
    identity.check_identity(sandbox.env(), accept=True)
    assert (
        restore.restore(sandbox.env(), RestoreRequest(environment=DEV, file="first.dump", force=True)).bad
        is None
    )


def test_an_account_that_may_too_little_is_told_all_of_it_at_once(field: RestoreTarget) -> None:
    field.ask("CREATE ROLE poor LOGIN; GRANT pg_read_all_data TO poor; ALTER ROLE poor BYPASSRLS")
    poor = sandboxes.Sandbox(field.sandbox.root, field.database.as_user("poor"))
    field.ask("SELECT lo_unlink(oid) FROM pg_largeobject_metadata")  # which no role reads by default
    field.ask("CREATE ROLE lost NOLOGIN; GRANT SELECT ON public.auth_user TO lost")
    backup.backup(field.env(), BackupRequest(file="second.dump"))
    field.ask("REVOKE ALL ON public.auth_user FROM lost; DROP ROLE lost")
    before = field.seal()
    with pytest.raises(Refused) as refusal:
        restore.restore(poor.env(), RestoreRequest(environment=DEV, file="second.dump", force=True))
    for words in ("poor may not create databases", "poor does not own", "may not create: lost"):
        assert words in refusal.value.message
    assert "admin_database_url" in refusal.value.hint
    assert field.seal() == before
    admin = poor.env(admin_database_url=builders.database_url(field.database))
    assert restore.restore(admin, RestoreRequest(environment=DEV, file="second.dump", force=True)).bad is None
    field.ask("DROP OWNED BY lost CASCADE; DROP ROLE lost; DROP OWNED BY poor; DROP ROLE poor")


def test_an_admin_url_that_leads_elsewhere_is_refused(field: RestoreTarget, server: Server) -> None:
    elsewhere = field.database.named("postgres")
    with pytest.raises((Refused, SettingsError, LedgerError), match="admin_database_url") as refusal:
        restore.restore(
            field.env(admin_database_url=builders.database_url(elsewhere)),
            RestoreRequest(environment=DEV, file="first.dump", force=True),
        )
    assert refusal.value.exit_code in (2, 3)
    assert field.is_old()
    assert server.database.parameters["dbname"] == "postgres"


def test_an_ordinary_owner_restores_a_database_of_its_own(root: Path, server: Server) -> None:
    with server.database.connect() as connection:
        connection.execute('CREATE ROLE "Büro\'s owner" LOGIN CREATEDB')
        connection.execute('CREATE DATABASE "My Böoks" OWNER "Büro\'s owner" TEMPLATE template0')
    mine = server.database.named("My Böoks").as_user("Büro's owner")
    with mine.connect() as connection:
        connection.execute("CREATE TABLE public.entry (id int GENERATED ALWAYS AS IDENTITY, amount numeric)")
        connection.execute("INSERT INTO public.entry (amount) SELECT g FROM generate_series(1, 500) g")
        connection.execute(
            "CREATE INDEX ON public.entry (amount);"
            "CREATE VIEW public.total AS SELECT sum(amount) FROM public.entry;"
            "CREATE FUNCTION public.entries() RETURNS SETOF public.entry LANGUAGE sql"
            " AS 'SELECT * FROM public.entry';"
            "CREATE VIEW public.largest AS SELECT max(amount) FROM public.entries();"
            "ALTER TABLE public.entry ADD note text"  # the alias list of entries() has it after a load
        )
    env = sandboxes.Sandbox(root, mine, {"rules": ()}).env()
    manifest = backup.backup(env, BackupRequest(file="mine.dump"))
    assert drill.drill(env, BackupName.of(manifest.dump.file)).proven
    with mine.connect() as connection:
        connection.execute("DELETE FROM public.entry")
    with (
        psycopg.connect(**server.database.named("My Böoks").parameters),  # type: ignore[arg-type]
        pytest.raises(Refused, match="in use by 1 session"),
    ):
        restore.restore(env, RestoreRequest(environment=DEV, file="mine.dump"))
    done = restore.restore(env, RestoreRequest(environment=DEV, file="mine.dump", force=True))
    assert done.bad is None
    with mine.connect() as connection:
        assert connection.execute("SELECT count(*), sum(amount) FROM public.entry").fetchone() == (
            500,
            125250,
        )


def test_the_database_that_is_called_postgres_is_restored_and_rolled_back(root: Path) -> None:
    """Programs connect to it when they need any database: no session on it can rename it."""
    with servers.server(root, client_tools.bundled_tools()) as own:
        assert own.database.parameters["dbname"] == "postgres"
        with own.database.connect() as connection:
            connection.execute("CREATE TABLE public.entry AS SELECT generate_series(1, 500) AS id")
        env = sandboxes.Sandbox(root, own.database, {"rules": ()}).env()
        backup.backup(env, BackupRequest(file="mine.dump"))
        with own.database.connect() as connection:
            connection.execute("DELETE FROM public.entry")
        done = restore.restore(env, RestoreRequest(environment=DEV, file="mine.dump", force=True))
        assert done.bad is None
        count = "SELECT count(*) FROM public.entry"
        with own.database.connect() as connection:
            assert connection.execute(count).fetchone() == (500,)
        rollback.rollback(env, RollbackRequest(environment=DEV, force=True))
        with own.database.connect() as connection:
            assert connection.execute(count).fetchone() == (0,)


def test_a_database_with_all_that_is_odd_is_restored_equal(root: Path, server: Server) -> None:
    name = "odd \"bööks\" 'x' %s"
    with server.database.connect() as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    odd = server.database.named(name)
    with odd.connect() as connection:
        for statement in _ODD:
            connection.execute(statement.encode())
    env = sandboxes.Sandbox(root, odd, {"rules": ()}).env()
    backup.backup(env, BackupRequest(file="odd.dump"))
    before = targets.sealed_contents(odd)
    with odd.connect() as connection:
        connection.execute("DROP SCHEMA public CASCADE")
    done = restore.restore(env, RestoreRequest(environment=DEV, file="odd.dump", force=True))
    assert done.bad is None
    assert targets.sealed_contents(odd) == before


_ODD = (
    "CREATE EXTENSION pg_trgm SCHEMA public; CREATE EXTENSION hstore SCHEMA public",
    "CREATE EXTENSION postgres_fdw SCHEMA public",
    "CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', dbname 'x')",
    "CREATE FOREIGN TABLE public.far (id int) SERVER elsewhere OPTIONS (table_name 'far')",
    "CREATE TABLE public.parted (id int, at date) PARTITION BY RANGE (at)",
    "CREATE TABLE public.parted_1 PARTITION OF public.parted DEFAULT",
    "INSERT INTO public.parted SELECT g, '2026-02-03' FROM generate_series(1, 1000) g",
    "CREATE TABLE public.secret (owner text, note public.hstore)",
    "INSERT INTO public.secret VALUES ('a', 'k => v'), ('b', NULL)",
    "ALTER TABLE public.secret ENABLE ROW LEVEL SECURITY; ALTER TABLE public.secret FORCE ROW LEVEL SECURITY",
    "CREATE POLICY mine ON public.secret USING (owner = current_user)",
    "SELECT lo_from_bytea(4711, 'a large object')",
    "CREATE FUNCTION public.audit() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
    "CREATE EVENT TRIGGER audited ON ddl_command_end EXECUTE FUNCTION public.audit()",
    "CREATE PUBLICATION all_of_it FOR ALL TABLES",
    "CREATE INDEX ON public.secret USING gin (owner public.gin_trgm_ops)",
    'CREATE TABLE public."T\'ä ""b" ("c d" text)',
)


def test_a_server_of_an_older_version_is_restored_too_and_none_older_than_the_backup(
    session_root: Path, server: Server
) -> None:
    with (
        sandboxes.temporary_folder(session_root) as root,
        servers.server(root, servers.debian_15()) as older,
        targets.restore_target(root, older) as field,
    ):
        assert field.restore().bad is None
        assert not field.is_old()
        newer = sandboxes.Sandbox(root / "newer", server.books("newer"))
        backup.backup(newer.env(), BackupRequest(file="seventeen.dump"))
        shutil.copytree(root / "newer" / "backups" / "dev", root / "backups" / "dev", dirs_exist_ok=True)
        with pytest.raises(Refused, match=r"The server is PostgreSQL 15\..*the backup is of 17"):
            field.restore("seventeen.dump")
