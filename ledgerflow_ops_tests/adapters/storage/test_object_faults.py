"""Servers that hang, die or get altered bytes, clients that are killed: only whole copies count."""

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.storage.objects.bucket import Timeouts
from ledgerflow_ops.adapters.storage.objects.object_store import ObjectStore
from ledgerflow_ops.core.errors import LedgerError, Unanswered
from ledgerflow_ops_tests.fakes.killed_upload import DATA
from ledgerflow_ops_tests.fakes.object_servers import PART, AzureServer, S3Server

MB = 1024 * 1024
STEPS = ("begun", "sent", "ended", "synced", "naming", "committed")
"""Where the client is killed: see `fakes/killed_upload.py`."""
Server = S3Server | AzureServer
IMPATIENT = Timeouts(1.0, 1.0, 1.0)
BOUND = 30.0
"""Seconds in which a call to a server that hangs has failed, on a machine with other things to do."""


@pytest.fixture(params=["s3_server", "azure_server"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    found: Server = request.getfixturevalue(request.param)
    yield found
    found.thaw()


def _write(store: ObjectStore, at: str, fault: Callable[[], object]) -> None:
    """Write a large file, with a fault at a step."""
    steps = {"begun": 0, "sent": 1, "ended": 2, "synced": 3}
    with store.create("x.dump") as file:
        for step, call in enumerate((lambda: file.write(DATA), file.end, file.sync, file.commit)):
            if steps[at] == step:
                fault()
            call()


# -- a server that hangs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["begun", "sent", "synced"])
def test_an_upload_to_a_server_that_hangs_ends_in_time_and_leaves_nothing_good(
    server: Server, at: str, root: Path
) -> None:
    store = ObjectStore(server.bucket(timeouts=IMPATIENT), f"{root.name}/dev")
    begun = time.monotonic()
    with pytest.raises(Unanswered, match="no answer from its server") as caught:
        _write(store, at, server.freeze)
    assert time.monotonic() - begun < BOUND
    assert "Check the network and the server" in caught.value.hint
    server.thaw()
    patient = ObjectStore(server.bucket(), store.prefix)
    patient.sweep()
    # A request that was on its way may still be carried out: then all of the file is there.
    if patient.taken("x.dump"):
        assert patient.read("x.dump") == DATA
        patient.delete("x.dump")
    patient.sweep()
    patient.put("x.dump", b"whole")
    assert (patient.read("x.dump"), patient.leftovers()) == (b"whole", [])


def test_every_call_to_a_server_that_hangs_ends_in_time(server: Server, root: Path) -> None:
    patient = ObjectStore(server.bucket(timeouts=Timeouts(2.0, 2.0, 10.0)), f"{root.name}/dev")
    store = ObjectStore(server.bucket(timeouts=Timeouts(0.5, 0.5, 0.5)), patient.prefix)
    patient.put("x.dump", bytes(30 * MB))
    with patient.open("x.dump") as reading:
        assert reading.read(1)
        server.freeze()
        calls: list[Callable[[], object]] = [
            store.listing,
            lambda: store.stat("x.dump"),
            lambda: store.delete("x.dump"),
            store.sweep,
            lambda: store.replace("x.json", b"data"),
            lambda: b"".join(iter(reading.read, b"")),
        ]
        for call in calls:
            begun = time.monotonic()
            with pytest.raises(Unanswered):
                call()
            assert time.monotonic() - begun < BOUND
        assert not store.reachable()


# -- a server that dies -----------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["sent", "synced"])
def test_an_upload_to_a_server_that_dies_and_comes_back_is_whole_or_not_there(
    server: Server, at: str, root: Path
) -> None:
    store = ObjectStore(server.bucket(timeouts=Timeouts(1.0, 5.0, 5.0)), f"{root.name}/dev")
    with pytest.raises(LedgerError):
        _write(store, at, server.stop)
    server.start()
    assert not store.taken("x.dump")
    store.sweep()
    assert store.leftovers() == []
    with store.create("x.dump") as file:
        file.write(DATA)
        file.commit()
    assert store.read("x.dump") == DATA


def test_a_restart_in_the_middle_is_passed_over_or_reported(server: Server, root: Path) -> None:
    store = ObjectStore(server.bucket(), f"{root.name}/dev")

    def restart() -> None:
        server.stop()
        server.start()

    try:
        _write(store, "ended", restart)
    except LedgerError:
        assert not store.taken("x.dump")
        return
    assert store.read("x.dump") == DATA


# -- a client that is killed ------------------------------------------------------------------------------


def test_a_client_that_is_killed_leaves_all_of_a_file_or_what_is_swept(server: Server, root: Path) -> None:
    with ThreadPoolExecutor(2) as pool:  # a process takes long to begin
        list(pool.map(partial(_killed_at, server, root), STEPS))


def _killed_at(server: Server, root: Path, step: str) -> None:
    store = ObjectStore(server.bucket(), f"{root.name}/{step}")
    arguments = [store.bucket.kind, store.bucket.service, str(server.credentials), store.prefix, step]
    command = [sys.executable, "-m", "ledgerflow_ops_tests.fakes.killed_upload", *arguments]
    killed = subprocess.run(command, capture_output=True, check=False, timeout=120)
    assert killed.returncode == -9, killed.stderr.decode()
    if step == "committed":
        assert store.read("x.dump") == DATA
    else:
        assert not store.taken("x.dump")
        assert store.names(".dump") == []
    if isinstance(server, S3Server) and step in ("sent", "ended", "synced", "naming"):
        assert store.leftovers() == ["x.dump"]
        assert store.sweep() == ["x.dump"]
    store.sweep()
    assert store.leftovers() == []
    if step != "committed":
        store.put("x.dump", b"whole")
        assert store.read("x.dump") == b"whole"


# -- bytes that are altered on the way --------------------------------------------------------------------


class _Altering:
    """A line to the server at `port` that flips one bit of what is sent to it, once, after so many bytes."""

    def __init__(self, port: int, at: int) -> None:
        self._behind, self._at, self._sent = port, at, 0
        self._ends, self._threads = list[socket.socket](), list[threading.Thread]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._start(self._serve)

    def __enter__(self) -> "_Altering":
        return self

    def __exit__(self, *details: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)
        for end in self._ends:
            end.close()

    def _start(self, work: Callable[[], None]) -> None:
        self._threads.append(threading.Thread(target=work, daemon=True))
        self._threads[-1].start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                behind = socket.create_connection(("127.0.0.1", self._behind))
                self._ends += [client, behind]
                self._start(partial(self._carry, client, behind, self._altered))
                self._start(partial(self._carry, behind, client, bytes))

    def _carry(self, source: socket.socket, target: socket.socket, change: Callable[[bytes], bytes]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(change(data))
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _altered(self, data: bytes) -> bytes:
        changed, place = bytearray(data), self._at - self._sent
        if 0 <= place < len(data):
            changed[place] ^= 1
        self._sent += len(data)
        return bytes(changed)


@pytest.mark.parametrize("size", [300_000, 11 * MB])
def test_s3_refuses_bytes_that_arrive_altered(s3_server: S3Server, size: int, root: Path) -> None:
    with _Altering(s3_server.port, 200_000) as line:
        store = ObjectStore(s3_server.bucket(service=f"http://127.0.0.1:{line.port}"), f"{root.name}/dev")

        def write() -> None:
            with store.create("x.dump") as file:
                file.write(bytes(size))
                file.commit()

        with pytest.raises(LedgerError, match="the bytes arrived altered"):
            write()
        assert not store.taken("x.dump")
    assert ObjectStore(s3_server.bucket(), store.prefix).leftovers() == []


def test_what_azure_stored_altered_is_found_by_reading_it_back(azure_server: AzureServer, root: Path) -> None:
    with _Altering(azure_server.port, 200_000) as line:
        service = azure_server.bucket().service.replace(str(azure_server.port), str(line.port))
        store = ObjectStore(azure_server.bucket(service=service), f"{root.name}/dev")
        with store.create("x.dump") as file:
            file.write(bytes(PART // 10))
            content = file.end()
            file.commit()
    assert ObjectStore(azure_server.bucket(), store.prefix).content("x.dump") != content
