"""Real object stores on loopback: SeaweedFS speaks S3, Azurite speaks Azure's blob service."""

import base64
import email.utils
import hashlib
import hmac
import json
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config

from ledgerflow_ops.adapters.cluster.cluster import free_port, is_free_port
from ledgerflow_ops.adapters.storage.objects.bucket import Bucket, CredentialSource, Timeouts
from ledgerflow_ops_tests import needs
from ledgerflow_ops_tests.fakes import sandboxes

KEY, SECRET = "ledgerflowtests", "s3cr3t-of-the-tests"
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's account and key, the same everywhere: they are in its documentation."""
AZURITE = "3.37.0"
"""The version that `.ci/run` installs."""
BUCKET, LOCKED = "backups", "locked"
PART = 5 * 1024 * 1024
"""Bytes: the smallest parts that S3 takes, so that a file of a test has several."""
_PATIENCE = 60.0
_GRPC = 10_000
"""SeaweedFS listens for its own programs at each port plus this."""
_PROJECT = Path(__file__).parents[2]


@dataclass
class ObjectServer:
    """One that runs. `credentials` is the file with the keys that it accepts."""

    command: list[str]
    folder: Path
    port: int
    credentials: Path
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def start(self) -> None:
        """Start it, and wait until it listens."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        assert sandboxes.wait_until(self._listens, _PATIENCE), (self.folder / "log").read_text()[-2_000:]

    def stop(self) -> None:
        """End it by its id, as a power cut would, whatever state it is in."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def freeze(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGCONT)

    def _listens(self) -> bool:
        assert self.process
        assert self.process.poll() is None, (self.folder / "log").read_text()[-2_000:]
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@dataclass
class S3Server(ObjectServer):
    """SeaweedFS, with the bucket `backups`, and `locked` with Object Lock. It listens at `ports`."""

    ports: tuple[int, ...] = ()

    def stop(self) -> None:
        """As for every server. Its programs' sockets are in /tmp, whatever TMPDIR says."""
        super().stop()
        for port in self.ports:
            for socket_file in Path("/tmp").glob(f"seaweedfs-*-grpc-{port + _GRPC}.sock"):
                socket_file.unlink(missing_ok=True)

    def bucket(self, name: str = BUCKET, **changed: Any) -> Bucket:
        """A bucket of it, for a client that loses patience soon."""
        made = Bucket(
            "s3",
            name,
            f"http://127.0.0.1:{self.port}",
            region="us-east-1",
            credentials=CredentialSource(self.credentials),
            timeouts=Timeouts(2.0, 10.0, 10.0),
            part=PART,
        )
        return replace(made, **changed)

    def client(self) -> Any:
        """boto3's client, to look at what is there and to do what the product never does."""
        config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
        session = boto3.Session(KEY, SECRET, region_name="us-east-1")
        return session.client("s3", endpoint_url=f"http://127.0.0.1:{self.port}", config=config)

    def start(self) -> None:
        super().start()
        assert sandboxes.wait_until(self._serves, _PATIENCE), (self.folder / "log").read_text()[-2_000:]

    def _serves(self) -> bool:
        try:
            names = {bucket["Name"] for bucket in self.client().list_buckets()["Buckets"]}
            if LOCKED not in names:
                self.client().create_bucket(Bucket=LOCKED, ObjectLockEnabledForBucket=True)
            if BUCKET not in names:
                self.client().create_bucket(Bucket=BUCKET)
            self.client().put_object(Bucket=BUCKET, Key="ready", Body=b"")
        except Exception:  # noqa: BLE001 - whatever a server answers that is not ready
            return False
        return True


@dataclass
class AzureServer(ObjectServer):
    """Azurite, with the container `backups`."""

    def bucket(self, name: str = BUCKET, **changed: Any) -> Bucket:
        """A container of it, for a client that loses patience soon."""
        made = Bucket(
            "azure",
            name,
            f"http://127.0.0.1:{self.port}/{ACCOUNT}",
            ACCOUNT,
            credentials=CredentialSource(self.credentials),
            timeouts=Timeouts(2.0, 10.0, 10.0),
            part=PART // 5,
        )
        return replace(made, **changed)

    def start(self) -> None:
        super().start()
        assert sandboxes.wait_until(self._serves, _PATIENCE)

    def _serves(self) -> bool:
        """Create the container: https://learn.microsoft.com/rest/api/storageservices/create-container."""
        date = email.utils.formatdate(usegmt=True)
        signed = (
            "PUT"
            + "\n" * 12
            + f"x-ms-date:{date}\nx-ms-version:2021-08-06\n/{ACCOUNT}/{ACCOUNT}/{BUCKET}\nrestype:container"
        )
        digest = hmac.new(base64.b64decode(ACCOUNT_KEY), signed.encode(), hashlib.sha256).digest()
        headers = {
            "x-ms-date": date,
            "x-ms-version": "2021-08-06",
            "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}",
        }
        url = f"http://127.0.0.1:{self.port}/{ACCOUNT}/{BUCKET}?restype=container"
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="PUT", headers=headers), timeout=10)
        except urllib.error.HTTPError as error:
            return error.code == 409  # it is there
        except OSError:
            return False
        return True


_Server = TypeVar("_Server", bound=ObjectServer)


def _free_pair() -> int:
    """A free port whose companion is free as well."""
    while True:
        port = free_port()
        if port + _GRPC < 65_536 and is_free_port(port + _GRPC):
            return port


def _credentials(folder: Path, **variables: str) -> Path:
    file = folder / "credentials"
    file.touch(mode=0o600)
    file.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    return file


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """A SeaweedFS with everything it keeps below `folder`; it is gone afterwards."""
    weed = Path(sys.executable).with_name("weed")
    if not weed.exists():
        needs.missing("there is no weed (SeaweedFS) beside Python")
    (folder / "data").mkdir(parents=True)
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    ports = dict.fromkeys(("master", "filer", "volume", "s3", "admin"), 0)
    while len(set(ports.values())) < len(ports):
        ports = {name: _free_pair() for name in ports}
    command = [
        str(weed),
        "-logtostderr=true",
        "mini",
        f"-dir={folder / 'data'}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-admin.ui=false",
        "-webdav=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-s3.config={folder / 's3.json'}",
        f"-s3.localSocket={folder / 's3.sock'}",
        f"-filer.localSocket={folder / 'filer.sock'}",
        *(f"-{name}.port={port}" for name, port in ports.items()),
    ]
    keys = _credentials(folder, AWS_ACCESS_KEY_ID=KEY, AWS_SECRET_ACCESS_KEY=SECRET)
    server = S3Server(command, folder, ports["s3"], keys, ports=tuple(ports.values()))
    yield from _running(server)


@contextmanager
def azure_server(folder: Path) -> Iterator[AzureServer]:
    """An Azurite with everything it keeps below `folder`; it is gone afterwards."""
    node = needs.program("node", "nodejs")
    installed = _PROJECT / ".venv" / "azurite" / "node_modules" / "azurite"
    main = installed / "dist" / "src" / "blob" / "main.js"
    if not main.exists():
        needs.missing(f"there is no Azurite: npm install --no-save --prefix .venv/azurite azurite@{AZURITE}")
    folder.mkdir(parents=True)
    port = free_port()
    command = [
        str(node),
        str(main),
        "--silent",
        "--disableTelemetry",
        "--skipApiVersionCheck",
        f"--location={folder}",
        "--blobHost=127.0.0.1",
        f"--blobPort={port}",
    ]
    keys = _credentials(folder, AZURE_STORAGE_ACCOUNT_KEY=ACCOUNT_KEY)
    yield from _running(AzureServer(command, folder, port, keys))


def _running(server: _Server) -> Iterator[_Server]:
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)
