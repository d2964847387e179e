"""Servers that are full, and credentials that have expired: nothing is called a copy, and it is said why."""

import base64
import hashlib
import hmac
import urllib.parse
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.storage.objects.bucket import Bucket, CredentialSource
from ledgerflow_ops.adapters.storage.objects.credentials import require_current
from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.archive.copies import CopyState
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import CredentialsExpired, LedgerError
from ledgerflow_ops.operations.archive.archive_result import LocationResult
from ledgerflow_ops.operations.archive.copies import archive_contexts, copy_in
from ledgerflow_ops_tests.fakes import disks, object_servers
from ledgerflow_ops_tests.fakes.object_servers import ACCOUNT, ACCOUNT_KEY, AzureServer
from ledgerflow_ops_tests.operations.archive.archives import Archives
from ledgerflow_ops_tests.operations.archive.test_sources import azure_location, s3_location

_VERSION = "2018-11-09"
_LARGER_THAN_ANY_GAP = 3_000_000
_OF_A_FULL_SERVER = ("the server reports an error of its own", "no answer from its server", "is full")
"""SeaweedFS looks for room for long, and may answer after the client has given up."""


def signature_until(end: datetime) -> str:
    """A shared access signature of the account for everything, which ends then.

    https://learn.microsoft.com/rest/api/storageservices/create-account-sas
    """
    expiry = f"{end:%Y-%m-%dT%H:%M:%SZ}"
    fields = [ACCOUNT, "rwdlac", "b", "sco", "", expiry, "", "", _VERSION, ""]
    digest = hmac.new(base64.b64decode(ACCOUNT_KEY), "\n".join(fields).encode(), hashlib.sha256).digest()
    given = {"sv": _VERSION, "ss": "b", "srt": "sco", "sp": "rwdlac", "se": expiry}
    return urllib.parse.urlencode({**given, "sig": base64.b64encode(digest).decode()})


def write_signature(file: Path, end: datetime) -> None:
    file.touch(mode=0o600)
    file.write_text(f"AZURE_STORAGE_SAS_TOKEN={signature_until(end)}\n")


def copy_of(archives: Archives, name: BackupName) -> CopyState:
    """The state of the backup's copy in the only location."""
    [cloud] = archive_contexts(archives.env)
    return copy_in(cloud, name, "").state


def only(archives: Archives) -> LocationResult:
    [result] = archives.archive().locations
    return result


def trouble_of(result: LocationResult) -> LedgerError:
    trouble = result.trouble or next(iter(result.failed.values()), None)
    assert trouble
    assert not result.copied
    return trouble


def is_whole(archives: Archives, name: BackupName, files: dict[str, bytes]) -> bool:
    """Whether the primary folder has the backup as it was, and calls it proven."""
    return archives.files_of(name) == files and archives.is_original(name)


class TestAzuresSignatureExpired:
    @pytest.fixture
    def signed(self, root: Path, azure_server: AzureServer) -> tuple[Archives, Path]:
        credentials = root / "signature"
        location = {**azure_location(azure_server, root.name), "credentials_file": credentials}
        return Archives(root, locations={}, settings={"locations": [location]}), credentials

    def test_nothing_is_copied_and_a_renewed_one_is_used(self, signed: tuple[Archives, Path]) -> None:
        archives, credentials = signed
        name = archives.add(1)
        files = archives.files_of(name)
        write_signature(credentials, clock.now() - timedelta(hours=1))
        trouble = trouble_of(only(archives))
        assert isinstance(trouble, CredentialsExpired)
        assert "/backups: the credentials have expired (they ended at 20" in trouble.message
        assert "Renew the location's credentials" in str(trouble.hint)
        assert trouble.exit_code == 1
        assert credentials.read_text().rpartition("sig=")[2].strip() not in trouble.message
        assert is_whole(archives, name, files)
        assert copy_of(archives, name) is CopyState.UNKNOWN

        write_signature(credentials, clock.now() + timedelta(hours=1))
        renewed = Archives(archives.root, locations={}, settings=_with_another_name(archives))
        assert list(only(renewed).copied) == [name.stem]
        assert copy_of(renewed, name) is CopyState.GOOD

    def test_a_copy_that_was_made_is_not_judged_by_it(self, signed: tuple[Archives, Path]) -> None:
        archives, credentials = signed
        name = archives.add(1)
        write_signature(credentials, clock.now() + timedelta(hours=1))
        assert list(only(archives).copied) == [name.stem]
        write_signature(credentials, clock.now() - timedelta(hours=1))
        expired = Archives(archives.root, locations={}, settings=_with_another_name(archives))
        trouble = only(expired).trouble
        assert isinstance(trouble, CredentialsExpired)
        assert copy_of(expired, name) is CopyState.UNKNOWN
        assert archives.is_original(name)


def _with_another_name(archives: Archives) -> dict[str, object]:
    """The same location by another file of credentials: clients keep what they read for a minute."""
    [location] = archives.settings["locations"]
    again = Path(location["credentials_file"]).with_name("signature-again")
    again.touch(mode=0o600)
    again.write_text(Path(location["credentials_file"]).read_text())
    return {"locations": [{**location, "credentials_file": again}]}


class TestFull:
    @pytest.fixture
    def full(self, root: Path) -> Iterator[tuple[Archives, Path]]:
        """A location on a server with a small disk of its own, and that disk."""
        with disks.small_disk(root / "disk", "64m") as disk, object_servers.s3_server(disk / "s3") as server:
            archives = Archives(root, locations={}, settings={"locations": [s3_location(server, root.name)]})
            yield archives, disk

    @pytest.mark.slow
    def test_nothing_is_called_a_copy_and_the_local_backup_stays(self, full: tuple[Archives, Path]) -> None:
        archives, disk = full
        manifest = archives.primary.add_backup(clock.now(), content=bytes(_LARGER_THAN_ANY_GAP))
        name = BackupName.of(manifest.dump.file)
        files = archives.files_of(name)
        disks.fill(disk)
        trouble = trouble_of(only(archives))
        assert trouble.exit_code == 1
        assert any(said in trouble.message for said in _OF_A_FULL_SERVER), trouble.message
        assert str(trouble.hint)
        assert copy_of(archives, name) is not CopyState.GOOD
        assert is_whole(archives, name, files)


@pytest.mark.parametrize(
    ("signature", "ended"),
    [
        ("se=2020-01-01T00%3A00%3A00Z&sig=x", True),
        ("?sig=x&se=2020-01-01", True),
        ("se=2020-01-01T10%3A00Z&sig=x", True),
        ("se=2999-01-01T00%3A00%3A00Z&sig=x", False),
        ("se=tomorrow&sig=x", False),
        ("si=policy&sig=x", False),
    ],
)
def test_when_a_signature_ends_is_read_from_it(root: Path, signature: str, *, ended: bool) -> None:
    file = root / "signature"
    file.write_text(f"AZURE_STORAGE_SAS_TOKEN={signature}\n")
    bucket = Bucket("azure", "backups", "http://127.0.0.1:1/x", "x", credentials=CredentialSource(file))
    if not ended:
        require_current(bucket)
        return
    with pytest.raises(CredentialsExpired, match="they ended at 2020-01-01"):
        require_current(bucket)
