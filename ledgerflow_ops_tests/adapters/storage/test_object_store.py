"""What object stores have beyond the contract of all stores: credentials, errors, locks, versions, rates."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from botocore.exceptions import ClientError

from ledgerflow_ops.adapters.storage.local_store import LocalStore
from ledgerflow_ops.adapters.storage.objects.bucket import Bucket, CredentialSource, Protection, Timeouts
from ledgerflow_ops.adapters.storage.objects.object_store import ObjectStore
from ledgerflow_ops.adapters.storage.store import BackupStore
from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.errors import (
    CannotJudge,
    CredentialsExpired,
    Denied,
    LedgerError,
    Missing,
    Refused,
    StorageFull,
    Unanswered,
)
from ledgerflow_ops_tests.fakes.object_servers import ACCOUNT_KEY, LOCKED, SECRET, AzureServer, S3Server

MB = 1024 * 1024
Server = S3Server | AzureServer


@pytest.fixture(params=["s3_server", "azure_server"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def s3(s3_server: S3Server, root: Path) -> ObjectStore:
    """A store of the test's own."""
    return ObjectStore(s3_server.bucket(), f"{root.name}/dev")


# -- large files ------------------------------------------------------------------------------------------


def test_a_large_file_is_seen_as_unfinished_until_it_is_committed(server: Server, root: Path) -> None:
    store = ObjectStore(server.bucket(), f"{root.name}/dev")
    data = bytes(range(256)) * (11 * MB // 256)
    with store.create("x.dump") as file:
        file.write(data)
        file.sync()
        if isinstance(server, S3Server):
            assert store.leftovers() == ["x.dump"]
        with pytest.raises(CannotJudge, match="shows nothing of a large file before") as caught:
            file.open()
        assert "keep the primary backups in a folder" in caught.value.hint
        content = file.end()
        file.commit()
        with file.open() as back:
            assert back.read(10) == data[:10]
    assert (store.leftovers(), store.content("x.dump")) == ([], content)
    assert list(store.listing().files) == ["x.dump"]


@pytest.mark.parametrize("size", [10, 11 * MB])
def test_a_file_never_replaces_another_of_its_name(server: Server, size: int, root: Path) -> None:
    """Also where the name was taken after the last look at it, by another machine."""
    store = ObjectStore(server.bucket(), f"{root.name}/dev")

    def write() -> None:
        with store.create("x.dump") as file:
            file.write(bytes(size))
            file.sync()
            store.create_object("x.dump", b"theirs")
            file._publish()  # type: ignore[attr-defined]

    with pytest.raises(Refused, match="exists already"):
        write()
    assert (store.read("x.dump"), store.leftovers()) == (b"theirs", [])


def test_sections_do_not_sweep_each_other(s3_server: S3Server, s3: ObjectStore) -> None:
    client = s3_server.client()
    for name in ("ours.dump", "history/theirs.dump"):
        client.create_multipart_upload(Bucket=s3.bucket.name, Key=s3.key(name))
    assert s3.leftovers() == ["ours.dump"]
    assert s3.sweep() == ["ours.dump"]
    assert s3.section("history").sweep() == ["theirs.dump"]
    assert (s3.leftovers(), s3.section("history").leftovers()) == ([], [])


def test_a_commit_whose_answer_was_lost_is_settled_by_reading_back(s3: ObjectStore) -> None:
    with s3.create("x.dump") as file:
        file.write(b"ours")
        file.end()
        s3.create_object("x.dump", b"ours")
        assert file._was_committed()  # type: ignore[attr-defined]
        s3.replace("x.dump", b"mine")
        assert not file._was_committed()  # type: ignore[attr-defined]


# -- credentials ------------------------------------------------------------------------------------------


def test_credentials_come_from_the_environment_or_a_file(
    s3_server: S3Server, s3: ObjectStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.put("x", b"data")
    lines = s3_server.credentials.read_text().splitlines()
    for line in lines:
        monkeypatch.setenv(*line.split("="))
    there = replace(s3.bucket, credentials=CredentialSource())
    assert ObjectStore(there, s3.prefix).read("x") == b"data"
    assert ObjectStore(replace(there, credentials=CredentialSource(sdk=True)), s3.prefix).read("x") == b"data"
    for line in lines:
        monkeypatch.setenv(line.partition("=")[0], "nonsense")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "nonsense")
    file = root / "as the AWS programs write it"
    file.write_text("# keys\n[default]\n" + "\n".join(line.lower().replace("=", " = ") for line in lines))
    found = ObjectStore(replace(there, credentials=CredentialSource(file)), s3.prefix)
    assert (found.read("x"), found.leftovers()) == (b"data", [])


@pytest.mark.parametrize("source", ["environment", "file", "no file", "directory"])
def test_missing_credentials_are_said_before_anything_is_sent(
    server: Server, source: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AZURE_STORAGE_ACCOUNT_KEY"):
        monkeypatch.delenv(name, raising=False)
    (root / "file").write_text("AWS_ACCESS_KEY_ID=half\n")
    (root / "directory").mkdir()
    read_from = CredentialSource(root / source if source != "environment" else None)
    # No other test has such a client, whose credentials are kept for a minute.
    store = ObjectStore(server.bucket(credentials=read_from, timeouts=Timeouts(part=77.0)), "dev")
    with pytest.raises(Denied) as caught:
        store.listing()
    known = {"no file": "No such file or directory: the credentials of", "directory": "Is a directory"}
    assert known.get(source, "no credentials are found") in caught.value.message
    assert caught.value.hint


def test_credentials_are_read_again_once_they_are_old(server: Server, root: Path) -> None:
    file = root / "renewed"
    file.write_text(server.credentials.read_text())
    store = ObjectStore(server.bucket(credentials=CredentialSource(file, kept=0.0)), f"{root.name}/dev")
    store.put("x", b"data")
    file.rename(root / "away")
    for call in (store.listing, lambda: store.read("x"), lambda: store.stat("x")):
        with pytest.raises(Denied, match="no credentials are found"):
            call()
    (root / "away").rename(file)
    assert store.read("x") == b"data"


def test_wrong_credentials_are_denied_and_no_secret_is_told(server: Server, root: Path) -> None:
    file = root / "wrong"
    wrong = ACCOUNT_KEY[:-6] + "AAAA=="
    file.write_text(
        f"AWS_ACCESS_KEY_ID=other\nAWS_SECRET_ACCESS_KEY={SECRET}\nAZURE_STORAGE_ACCOUNT_KEY={wrong}\n"
    )
    store = ObjectStore(server.bucket(credentials=CredentialSource(file)), "dev")
    for call in (store.listing, lambda: store.stat("x"), lambda: store.put("x", b"data"), store.reachable):
        with pytest.raises(Denied, match="the credentials are not valid") as caught:
            call()
        assert "Correct the location's credentials" in caught.value.hint
        told = f"{caught.value} {caught.value!r} {caught.value.__cause__!r} {store!r} {store.bucket!r}"
        assert not [secret for secret in (SECRET, wrong) if secret in told]


# -- errors -----------------------------------------------------------------------------------------------


class _Answer(BaseHTTPRequestHandler):
    """Answers every request with one error, as a server of S3 or of Azure does."""

    status, code, detail = 500, "", "Signature not valid in the specified time frame"

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = f"<Error><Code>{self.code}</Code><Message>{self.detail}</Message></Error>".encode()
        body = b"" if self.command == "HEAD" or not self.code else body
        self.send_response(self.status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815

    def log_message(self, *details: object) -> None:
        pass


@contextmanager
def _answering(status: int, code: str) -> Iterator[str]:
    handler = type("Handler", (_Answer,), {"status": status, "code": code})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "code", "kind", "message"),
    [
        (400, "ExpiredToken", CredentialsExpired, "the credentials have expired"),
        (403, "AuthenticationFailed", CredentialsExpired, "the credentials have expired"),
        (403, "InvalidAccessKeyId", Denied, "the credentials are not valid (InvalidAccessKeyId)"),
        (401, "AccessDenied", Denied, "the server refuses access (AccessDenied)"),
        (403, "RequestTimeTooSkewed", Denied, "clock and this machine's differ too much"),
        (404, "NoSuchBucket", Missing, "there is no such bucket"),
        (403, "QuotaExceeded", StorageFull, "is full: the server takes no more bytes"),
        (507, "XMinioStorageFull", StorageFull, "is full"),
        (400, "XAmzContentSHA256Mismatch", LedgerError, "the bytes arrived altered (XAmzContentSHA256Mism"),
        (500, "InternalError", LedgerError, "the server reports an error of its own (InternalError)"),
        (501, "NotImplemented", LedgerError, "the server reports an error of its own (NotImplemented)"),
        (400, "InvalidRequest", LedgerError, "the server refuses the request (InvalidRequest)"),
    ],
)  # fmt: skip
def test_what_a_server_answers_is_told_apart(
    s3_server: S3Server, status: int, code: str, kind: type[LedgerError], message: str
) -> None:
    with _answering(status, code) as service:
        store = ObjectStore(s3_server.bucket(service=service), "dev")
        calls = [
            lambda: store.put("x", b"data"), lambda: store.replace("x", b"data"), store.listing,
            lambda: store.stat("x"), lambda: store.delete("x"), lambda: store.read("x"), store.leftovers,
        ]  # fmt: skip
        for call in calls:
            with pytest.raises(LedgerError) as caught:
                call()
            assert type(caught.value) is kind
            assert message in caught.value.message
            assert caught.value.hint


def test_an_expired_signature_of_azure_is_denied_and_not_told(azure_server: AzureServer, root: Path) -> None:
    file = root / "sas"
    file.write_text(
        "AZURE_STORAGE_SAS_TOKEN=sv=2021-08-06&se=2020-01-01T00%3A00%3A00Z&sr=c&sp=rwdl&sig=c2VjcmV0\n"
    )
    store = ObjectStore(azure_server.bucket(credentials=CredentialSource(file)), "dev")
    with pytest.raises(Denied) as caught:
        store.listing()
    assert "c2VjcmV0" not in str(caught.value)


def test_no_server_no_bucket_and_no_object_are_three_things(server: Server, root: Path) -> None:
    away = server.bucket(service="http://127.0.0.1:9", timeouts=Timeouts(1.0, 1.0, 1.0))
    with pytest.raises(Unanswered, match="no answer from its server") as caught:
        ObjectStore(away, "dev").listing()
    assert "Check the network and the server" in caught.value.hint
    assert not ObjectStore(away, "dev").reachable()
    none = ObjectStore(server.bucket("nobucket"), "dev")
    assert (none.reachable(), none.exists()) == (False, False)
    for call in (none.prepare, none.listing, lambda: none.stat("x")):
        with pytest.raises(Missing, match="there is no such bucket"):
            call()
    store = ObjectStore(server.bucket(), f"{root.name}/dev")
    assert (store.reachable(), store.exists(), store.stat("x")) == (True, True, None)
    with pytest.raises(Missing, match="no such object"):
        store.read("x")
    with pytest.raises(Unanswered):
        ObjectStore(away, "dev").exists()


# -- locks and versions -----------------------------------------------------------------------------------


def test_a_new_file_is_locked_where_the_bucket_offers_it(s3_server: S3Server, root: Path) -> None:
    client, until = s3_server.client(), clock.now().replace(microsecond=0) + timedelta(days=30)
    store = ObjectStore(s3_server.bucket(LOCKED), f"{root.name}/dev").retained(until)
    assert store.retain_until == until
    assert store.protection() == Protection(versioned=True, lockable=True)
    store.put("small.dump", b"data")
    with store.create("large.dump") as file:
        file.write(bytes(11 * MB))
        file.commit()
    for name in ("small.dump", "large.dump"):
        found = client.get_object_retention(Bucket=LOCKED, Key=store.key(name))["Retention"]
        assert (found["Mode"], found["RetainUntilDate"]) == ("GOVERNANCE", until)
    with pytest.raises(Refused, match="exists already"):
        store.put("small.dump", b"other")
    store.replace("small.dump", b"overwritten")
    store.delete("small.dump")
    assert not store.taken("small.dump")
    versions = [version for version in store.versions() if version.name == "small.dump"]
    assert sorted((found.size, found.is_removal) for found in versions) == [
        (0, True),
        (4, False),
        (11, False),
    ]
    oldest = min((found for found in versions if found.size == 4), key=lambda found: found.modified)
    with pytest.raises(ClientError, match="AccessDenied"):
        client.delete_object(Bucket=LOCKED, Key=store.key("small.dump"), VersionId=oldest.version)
    body = client.get_object(Bucket=LOCKED, Key=store.key("small.dump"), VersionId=oldest.version)["Body"]
    assert body.read() == b"data"


def test_compliance_is_used_only_when_it_is_set(s3_server: S3Server, root: Path) -> None:
    until = clock.now().replace(microsecond=0) + timedelta(seconds=5)
    bucket = s3_server.bucket(LOCKED, lock="compliance")
    store = ObjectStore(bucket, f"{root.name}/dev").retained(until)
    store.put("x.dump", b"data")
    found = s3_server.client().get_object_retention(Bucket=LOCKED, Key=store.key("x.dump"))["Retention"]
    assert (found["Mode"], found["RetainUntilDate"]) == ("COMPLIANCE", until)
    assert ObjectStore(replace(bucket, lock="off"), "dev").retained(until).retain_until is None


def test_a_bucket_without_locks_says_so_and_takes_the_file(
    s3: ObjectStore, azure_server: AzureServer
) -> None:
    assert s3.protection() == Protection(versioned=False, lockable=False)
    store = s3.retained(clock.now() + timedelta(days=30))
    assert store.retain_until is None
    store.put("x.dump", b"data")
    assert store.read("x.dump") == b"data"
    azure = ObjectStore(azure_server.bucket(), "dev")
    assert (azure.protection(), azure.versions()) == (Protection(), [])


# -- the rest ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_no_more_is_written_in_a_second_than_is_allowed(kind: str, s3: ObjectStore, root: Path) -> None:
    store: BackupStore = ObjectStore(replace(s3.bucket, rate=400_000), s3.prefix)
    if kind == "folder":
        store = LocalStore(root / "dev", 400_000)
        store.prepare()
    begun = time.monotonic()
    store.put("x.dump", bytes(600_000))
    assert time.monotonic() - begun >= 1.5
    assert store.size("x.dump") == 600_000
    assert store.section("history") == replace(store, **_longer(store)).section("history")  # type: ignore[type-var]


def _longer(store: BackupStore) -> dict[str, object]:
    """The field that says how fast it may be written: equal stores are the same place, whatever it is."""
    return {"rate": None} if isinstance(store, LocalStore) else {}


def test_plain_http_to_another_machine_is_reported() -> None:
    bucket = Bucket("s3", "books", "http://nas.example:9000")
    assert "whoever is on the network to nas.example can read" in ObjectStore(bucket, "dev").exposed()[0]
    assert ObjectStore(replace(bucket, service="https://nas.example"), "dev").exposed() == []


def test_a_store_is_the_same_place_however_it_is_reached(s3: ObjectStore) -> None:
    other = replace(s3.bucket, credentials=CredentialSource(sdk=True), rate=5, timeouts=Timeouts())
    assert ObjectStore(other, s3.prefix) == s3
    assert hash(ObjectStore(other, s3.prefix)) == hash(s3)
    assert s3.section("history") != s3
    assert s3.name_of(s3.describe("x.dump")) == "x.dump"
