"""How far a load is, read from a real server."""

from psycopg import sql

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


def test_a_database_that_cannot_be_asked_for_ends_no_load_and_is_asked_for_once(database: Database) -> None:
    sizes, server, name = list[int](), database.named("postgres"), database.parameters["dbname"]
    watcher = SizeWatcher(server, f"{name}_moved", sizes.append)
    watcher.tick()
    renamed = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    with server.connect() as connection:
        connection.execute(renamed.format(sql.Identifier(name), sql.Identifier(f"{name}_moved")))
    watcher.heard()
    watcher.tick()
    with server.connect() as connection:
        connection.execute(renamed.format(sql.Identifier(f"{name}_moved"), sql.Identifier(name)))
    assert sizes == []
