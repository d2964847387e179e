"""libpq's forms of an address lead all programs to the same real server."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg2  # type: ignore[import-untyped]
import pytest
from sqlalchemy import create_engine, text

from ledgerflow_ops.adapters.cluster.cluster import free_port
from ledgerflow_ops.adapters.connection import address
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.core.errors import SettingsError
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops_tests.fakes import sandboxes
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox

PATH = "environments.dev.database_url"


@pytest.fixture
def server(embedded: EmbeddedPostgres) -> Database:
    return embedded.start()


def _form(server: Database, **more: str) -> str:
    return " ".join(f"{key}={value}" for key, value in {**server.parameters, **more}.items())


def test_keywords_lead_to_the_server(server: Database) -> None:
    with Database.from_address(_form(server), PATH).connect() as connection:
        assert connection.info.dbname == "postgres"


def test_several_hosts_are_one_server_for_all_that_an_operation_starts(
    server: Database, database: Database, root: Path
) -> None:
    """The first host does not answer; the tools connect to the server of the first connection."""
    port = server.parameters["port"]
    hosts = {"host": "127.0.0.1,127.0.0.1", "port": f"{free_port()},{port}"}
    many = Database({**database.parameters, **hosts, "target_session_attrs": "read-write"})
    with many.connect() as connection:
        pinned = many.pinned_to(connection)
    assert pinned.variables()["PGHOST"] == "127.0.0.1"
    assert pinned.variables()["PGPORT"] == port
    assert "PGTARGETSESSIONATTRS" not in pinned.variables()
    sandbox = Sandbox(root, many)
    sandboxes.prove_backup(sandbox.env(), sandboxes.take_backup(sandbox.env()))


def test_dagsters_storage_is_reached_by_the_same_address(server: Database) -> None:
    hosts = {"host": "127.0.0.1,127.0.0.1", "port": f"{free_port()},{server.parameters['port']}"}
    storage_database = Database.from_address(_form(server, **hosts, target_session_attrs="read-write"), PATH)
    url = storage_database.sqlalchemy_url()
    with create_engine(url).connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    psycopg2.connect(url.replace("+psycopg2", "")).close()
    assert Database.from_address(url, PATH) == storage_database


@pytest.fixture
def services(root: Path, server: Database, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = root / "services.conf"
    lines = "".join(f"{key}={value}\n" for key, value in server.parameters.items())
    file.write_text(f"# ours\n[other]\nhost=nowhere\n\n[books]\n{lines}dbname=twice\n")
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    return file


@pytest.mark.parametrize("form", ["service=books", "postgresql:///?service=books"])
@pytest.mark.usefixtures("services")
def test_a_service_is_looked_up_once_for_driver_and_tools(server: Database, form: str) -> None:
    by_service = Database.from_address(form, PATH)
    assert by_service == server
    with by_service.connect() as connection:
        assert connection.info.dbname == "postgres"
    finished = process.run(
        [client_tools.bundled_tools().path("pg_dump"), "--schema-only"], extra=by_service.variables()
    )
    assert finished.code == 0


@pytest.mark.usefixtures("services")
def test_what_stands_in_the_address_goes_before_its_service(server: Database) -> None:
    assert Database.from_address("service=books dbname=mine", PATH) == server.named("mine")


def test_a_service_that_nobody_defines_is_reported_without_its_name(services: Path) -> None:
    with pytest.raises(SettingsError, match="no service file defines its service") as caught:
        Database.from_address("service=s3cr3t", PATH)
    assert "s3cr3t" not in str(caught.value)
    services.write_text("[books]\nhost\n")
    with pytest.raises(SettingsError, match="a line that is not keyword=value"):
        Database.from_address("service=books", PATH)


def test_what_a_shell_has_left_leads_nobody_astray(server: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PGHOST": "nowhere.invalid",
        "PGOPTIONS": "-c search_path=elsewhere",
        "PGSERVICE": "nowhere",
        "PGSSLMODE": "verify-full",
        "PGTARGETSESSIONATTRS": "standby",
    }.items():
        monkeypatch.setenv(name, value)
    with server.connect() as connection:
        assert connection.execute("SHOW search_path").fetchall() == [("",)]
    assert "PGSSLMODE" not in os.environ


@pytest.fixture
def sockets(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of sockets in which a server seems to listen on port 5999."""
    monkeypatch.setattr(address, "SOCKETS", (root / "none", root))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / ".s.PGSQL.5999"))
        yield root


def test_without_a_host_it_is_the_socket_on_this_machine(sockets: Path) -> None:
    assert Database.from_address("postgresql:///books?port=5999", PATH).label == f"{sockets}:5999/books"
    assert Database.from_address("dbname=books port=5999", PATH).parameters["host"] == str(sockets)


def test_dead_connections_are_noticed_by_driver_and_tools_alike(server: Database) -> None:
    with server.connect() as connection:
        options = {option.keyword: option.val for option in connection.pgconn.info}
    assert (options[b"tcp_user_timeout"], options[b"keepalives_idle"]) == (b"300000", b"60")
    shown = address.dbname_argument("a b=c")
    assert "tcp_user_timeout=300000" in shown
    finished = process.run(
        [
            client_tools.bundled_tools().path("pg_dump"),
            "--schema-only",
            f"--dbname={address.dbname_argument('postgres')}",
        ],
        extra=server.variables(),
    )
    assert (finished.code, finished.errors) == (0, "")
