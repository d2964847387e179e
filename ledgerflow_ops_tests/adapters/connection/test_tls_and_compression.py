"""TLS and compression methods of the bundled programs."""

import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from ledgerflow_ops.adapters.cluster.cluster import Cluster, free_port
from ledgerflow_ops.adapters.cluster.server_home import make_server_home
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.dump import archive
from ledgerflow_ops.adapters.dump.client import Client
from ledgerflow_ops.adapters.inspection import source
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.adapters.storage.local_store import LocalStore
from ledgerflow_ops.adapters.system.server_account import server_account
from ledgerflow_ops.core.catalog.manifest import Contents
from ledgerflow_ops.core.catalog.naming import MAGIC
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.databases import run_statements

PASSWORD = "s3cr3t"


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server(session_root: Path, ca: trustme.CA) -> Iterator[Database]:
    """A server with a certificate for localhost that accepts only connections with TLS."""
    home = session_root / "tls"
    place = make_server_home(home)
    account = server_account()
    cluster = Cluster(home / "server" / "data", place.programs(client_tools.bundled_tools()), account)
    cluster.make("postgres", encoding="UTF8", options={"locale": "C"}, password=PASSWORD)
    certificate = ca.issue_cert("localhost")
    files = {"server.crt": certificate.cert_chain_pems[0], "server.key": certificate.private_key_pem}
    for name, pem in files.items():
        pem.write_to_path(str(cluster.data / name))
        (cluster.data / name).chmod(0o600)
        if account:
            os.chown(cluster.data / name, account.uid, account.gid)
    (cluster.data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
    ca.cert_pem.write_to_path(str(home / "ca.pem"))
    port = str(free_port())
    cluster.start(
        {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": "",
            "fsync": "off",
            "ssl": "on",
            "ssl_min_protocol_version": "TLSv1.3",
        }
    )
    try:
        yield Database(
            {
                "host": "localhost",
                "hostaddr": "127.0.0.1",
                "port": port,
                "user": "postgres",
                "password": PASSWORD,
                "dbname": "postgres",
                "sslmode": "verify-full",
                "sslrootcert": str(home / "ca.pem"),
            }
        )
    finally:
        cluster.remove()


def _with(database: Database, **parameters: str) -> Database:
    return Database({**database.parameters, **parameters})


def test_a_verified_connection_is_encrypted(server: Database) -> None:
    with server.connect() as connection:
        row = connection.execute("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        assert row.fetchone() == (True, "TLSv1.3")


def test_another_authority_is_not_believed(server: Database, root: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(root / "other.pem"))
    stranger = _with(server, sslrootcert=str(root / "other.pem"))
    with pytest.raises(LedgerError, match="certificate verify failed") as caught, stranger.connect():
        pytest.fail("it believed a stranger")
    assert PASSWORD not in str(caught.value)


def test_another_name_is_not_believed(server: Database) -> None:
    renamed = _with(server, host="books.example")
    with pytest.raises(LedgerError, match="does not match host name"), renamed.connect():
        pytest.fail("it believed another server's certificate")


def test_a_server_that_asks_for_tls_takes_nobody_without(server: Database) -> None:
    plain = _with(server, sslmode="disable")
    with pytest.raises(LedgerError, match="no encryption"), plain.connect():
        pytest.fail("it was let in")


def test_a_backup_is_taken_over_a_verified_connection(server: Database, root: Path) -> None:
    run_statements(server, "CREATE TABLE books AS SELECT generate_series(1, 500) AS id")
    manifest = backup.backup(builders.env(root, server))
    assert manifest.rows == 500
    other = root / "other"
    other.mkdir()
    trustme.CA().cert_pem.write_to_path(str(other / "ca.pem"))
    with pytest.raises(LedgerError, match="certificate verify failed"):
        backup.backup(builders.env(other, _with(server, sslrootcert=str(other / "ca.pem"))))


def test_the_tools_hold_the_certificate_against_the_authority_as_well(server: Database, root: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(root / "other.pem"))
    for database, expected in ((server, 0), (_with(server, sslrootcert=str(root / "other.pem")), 1)):
        finished = archive.roles_script(
            Client(client_tools.bundled_tools(), database.variables()), passwords=False
        )
        assert finished.code == expected, finished.errors


def test_the_python_that_runs_us_has_tls() -> None:
    assert ssl.HAS_TLSv1_3


COMPRESSIONS = ["zstd:1", "zstd:level=9,long", "lz4", "gzip:6", "none"]


def test_every_compression_decodes_to_the_same_contents(root: Path, database: Database) -> None:
    found: list[Contents] = []
    with source.snapshot(database) as snapshot:
        for number, compression in enumerate(COMPRESSIONS):
            store, name, sizes = LocalStore(root), f"{number}.dump", [0]
            with store.create(name) as file:
                streamed = archive.dump(
                    Client(client_tools.bundled_tools(), database.variables()),
                    snapshot.snapshot_id,
                    compression,
                    file,
                    sizes.append,
                )
                content = file.end()
                file.commit()
            assert store.head(name, len(MAGIC)) == MAGIC
            assert sizes == sorted(sizes)
            assert sizes[-1] == streamed.size == store.size(name)
            assert store.content(name) == content
            assert content[0] == streamed.size
            with store.open(name) as opened:
                found += [streamed.contents, archive.decode(client_tools.bundled_tools(), opened)]
    assert all(contents == found[0] for contents in found)
    assert found[0].tables["public.profiles_transaction"].rows == 1666
    plain = (root / f"{COMPRESSIONS.index('none')}.dump").stat().st_size
    assert all((root / f"{number}.dump").stat().st_size < plain for number in range(4))
