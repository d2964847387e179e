"""A clone has its original's identifier and name: what else is seen of a database tells the two apart."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ledgerflow_ops.adapters import locks, tools
from ledgerflow_ops.adapters.identities import Identities
from ledgerflow_ops.adapters.postgres import Database
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.core.identity import Identity, Sighting
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.core.restoring import Wish
from ledgerflow_ops.operations import backup, doctor, identity, restore, rollback
from ledgerflow_ops.operations.backup import Order
from ledgerflow_ops.operations.desk import Site
from ledgerflow_ops_tests import databases
from ledgerflow_ops_tests.fakes import disks, grounds, servers, standbys
from ledgerflow_ops_tests.fakes.grounds import At, Ground
from ledgerflow_ops_tests.fakes.servers import Server


@pytest.fixture(scope="module")
def primary(session_root: Path) -> Iterator[Server]:
    with grounds.folder(session_root) as root, servers.server(root, tools.bundled()) as server:
        server.books("books")
        yield server


@pytest.fixture(scope="module")
def elsewhere(primary: Server, session_root: Path) -> Iterator[Server]:
    """A copy of the primary as it is at first, and not running."""
    with grounds.folder(session_root) as root, standbys.standby(root, primary, replicates=False) as made:
        made.cluster.stop()
        yield made


@pytest.fixture
def ground(root: Path, primary: Server, elsewhere: Server) -> Ground:
    return Ground(root, primary.database.named("books"))


def _file(ground: Ground) -> Path:
    return ground.root / "state" / "identities.json"


def _known(ground: Ground) -> Identity:
    return Identities(_file(ground)).known()[Environment.DEV]


def _seen(ground: Ground) -> Sighting:
    seen = _known(ground).seen
    assert seen is not None
    return seen


def test_it_remembers_where_and_how_far_the_server_was(ground: Ground, primary: Server) -> None:
    manifest = grounds.take(ground.site())
    seen = _seen(ground)
    assert (seen.addresses, seen.timeline, seen.standby) == ((f"127.0.0.1:{primary.port}",), 1, False)
    with ground.database.connect() as connection:
        row = connection.execute(
            "SELECT oid::bigint FROM pg_database WHERE datname = 'books' AND %s::pg_lsn <= %s::pg_lsn",
            [seen.lsn, manifest.lsn],
        ).fetchone()
    assert row is not None
    assert seen.oids == row


def test_a_clone_at_another_port_is_asked_about_by_backup_doctor_and_restore(
    ground: Ground, elsewhere: Server
) -> None:
    manifest, before = grounds.take(ground.site()), _known(ground)
    files = ground.files()
    elsewhere.start()
    try:
        clone = Ground(ground.root, elsewhere.database.named("books"))
        with pytest.raises(Refused, match=r"it was at 127\.0\.0\.1:") as refusal:
            backup.backup(clone.site())
        assert refusal.value.exit_code == 3
        assert f"and is at 127.0.0.1:{elsewhere.port}" in refusal.value.message
        assert "It may be a clone" in refusal.value.hint
        assert "LEDGER_ENV=dev make identity ACCEPT=1" in refusal.value.hint
        site = clone.site()
        (found,) = [one for one in doctor.examine(site.desk, [site]) if not one.passed and one.fatal]
        moved = (
            f"it was at 127.0.0.1:{ground.database.parameters['port']}, and is at 127.0.0.1:{elsewhere.port}"
        )
        assert found.name == "dev source"
        assert moved in refusal.value.message
        assert moved in found.message  # without the LSN, which goes on as the clone is looked at
        with pytest.raises(Refused, match="it was at"):
            restore.prepare(site, Wish(Environment.DEV, manifest.dump.file, force=True))
        with pytest.raises(Refused, match="it was at"):
            identity.identity(site, accept=False)
        assert (ground.files(), _known(ground).seen) == (files, before.seen)
        identity.identity(site, accept=True)
        grounds.take(clone.site())
    finally:
        elsewhere.cluster.stop()
    with pytest.raises(Refused, match="it was at"):  # the original is now the other one
        backup.backup(ground.site())
    assert [one.message for one in doctor.examine(ground.site().desk, [ground.site()]) if one.fatal]


def test_an_older_copy_put_in_the_originals_place_is_found_out(
    ground: Ground, primary: Server, elsewhere: Server
) -> None:
    databases.run(ground.database, "CREATE TABLE IF NOT EXISTS later AS SELECT generate_series(1, 1000)")
    grounds.take(ground.site())
    files = ground.files()
    primary.cluster.stop()
    older = Server(elsewhere.cluster, primary.port)
    older.start()
    try:
        with pytest.raises(Refused, match="its server stands at LSN 0/") as refusal:
            backup.backup(ground.site())
        assert "restored from an older copy" in refusal.value.hint
        assert ground.files() == files
    finally:
        older.cluster.stop()
        primary.start()
    backup.backup(ground.site())


def test_a_crash_of_the_same_server_asks_nothing(ground: Ground, primary: Server) -> None:
    databases.run(ground.database, "SET synchronous_commit = off; CREATE TABLE fleeting (id int)")
    grounds.take(ground.site())
    primary.crash()
    primary.start()
    grounds.take(ground.site())
    databases.run(ground.database, "DROP TABLE IF EXISTS fleeting")


def test_a_standby_that_was_promoted_is_asked_about_once(ground: Ground, root: Path, primary: Server) -> None:
    with standbys.standby(root, primary) as standby:
        grounds.take(ground.site())
        assert standbys.caught_up(primary, standby)
        after = Ground(ground.root, standby.database.named("books"))
        with pytest.raises(Refused, match="it was at"):
            backup.backup(after.site())
        identity.identity(after.site(), accept=True)
        backup.backup(after.site())
        assert _seen(ground).standby
        standbys.promote(standby)
        grounds.take(after.site())
        assert (_seen(ground).standby, _seen(ground).timeline) == (False, 2)


def test_a_database_made_anew_is_asked_about_and_what_restores_make_is_not(
    root: Path, database: Database
) -> None:
    ground = Ground(root, database)
    manifest = grounds.take(ground.site())
    name = databases.quoted(database.parameters["dbname"])
    server = database.named("postgres")
    databases.run(server, f"ALTER DATABASE {name} RENAME TO template_{os.getpid()}")
    databases.run(server, f"CREATE DATABASE {name} TEMPLATE template_{os.getpid()}")
    databases.run(server, f"DROP DATABASE template_{os.getpid()}")
    with pytest.raises(Refused, match="it was dropped and made again"):
        backup.backup(ground.site())
    # A restore takes it for what it is: what is there is backed up first, and replaced.
    wish = Wish(Environment.DEV, manifest.dump.file, force=True)
    restored = restore.restore(ground.site(), wish)
    assert (restored.bad, restored.safety is None) == (None, False)
    grounds.take(ground.site())
    rollback.rollback(ground.site())
    grounds.take(ground.site())
    assert len(_seen(ground).oids) == 3


def test_what_earlier_versions_remembered_is_kept_and_added_to(ground: Ground) -> None:
    grounds.take(ground.site())
    entry = json.loads(_file(ground).read_text())
    seen = entry["dev"].pop("seen")
    _file(ground).write_text(json.dumps(entry))
    assert _known(ground).seen is None
    identity.identity(ground.site(), accept=False)
    grounds.take(ground.site())
    assert json.loads(_file(ground).read_text())["dev"]["seen"]["oids"] == seen["oids"]


@pytest.mark.parametrize("kind", ["link", "room", "tools", "lock", "name", "dump", "manifest"])
def test_a_backup_that_was_not_made_binds_nothing(ground: Ground, root: Path, kind: str) -> None:
    site, order = ground.site(), Order()
    with ExitStack() as stack:
        site = _spoilt(kind, ground, root, stack)
        if kind == "name":
            site.folder.prepare()
            (site.folder.path / "taken.dump").touch(0o600)
            order = Order(file="taken.dump")
        with pytest.raises((LedgerError, KeyboardInterrupt)):
            backup.backup(site, order)
    assert not _file(ground).exists()
    with pytest.raises(Refused, match="dev has no database yet"):
        identity.identity(ground.site(), accept=False)


def _spoilt(kind: str, ground: Ground, root: Path, stack: ExitStack) -> Site:
    """The site, on which something keeps a backup from being made."""
    if kind == "link":
        (root / "aside").mkdir()
        (root / "backups").mkdir()
        (root / "backups" / "dev").symlink_to(root / "aside")
    if kind == "room":
        stack.enter_context(disks.small_disk(root / "backups", "1m"))
    if kind == "lock":
        desk = ground.site().desk
        stack.enter_context(locks.exclusive(desk.settings.state_dir, Environment.DEV, "drill", desk.clock()))
    if kind == "tools":
        return ground.site(tools_dir=servers.debian_15().folder)
    if kind in ("dump", "manifest"):
        at = Step.DUMP if kind == "dump" else Step.COMMIT
        return ground.site(At(at=at, action=_interrupt))
    return ground.site()


def _interrupt() -> None:
    raise KeyboardInterrupt
