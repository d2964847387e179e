"""How far a load is, read from a real server."""

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.load.load_progress import SizeWatcher


def test_it_reports_the_size_that_the_server_gives(database: Database) -> None:
    sizes = list[int]()
    watcher = SizeWatcher(database.named("postgres"), database.parameters["dbname"], sizes.append)
    watcher.tick()
    with database.connect() as connection:
        [(size,)] = connection.execute("SELECT pg_database_size(current_database())").fetchall()
    [reported] = sizes
    assert abs(reported - int(size)) < 1_000_000
    watcher.tick()
    assert len(sizes) == 1, "it asks about once a second"


def test_a_database_that_is_gone_ends_no_load_and_is_not_asked_for_again(database: Database) -> None:
    sizes = list[int]()
    watcher = SizeWatcher(database.named("postgres"), "no_such_database", sizes.append)
    watcher.tick()
    watcher.heard()
    watcher.tick()
    assert sizes == []
