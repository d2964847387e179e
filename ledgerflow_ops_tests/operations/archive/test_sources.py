"""Every operation that reads a backup reads it from any location, a real S3 among them, and says which."""

import shutil
from typing import Any

import pytest

from ledgerflow_ops.core.archive.copies import CopyState
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.errors import Refused, SettingsError
from ledgerflow_ops.core.operation_requests import RecoverRequest, RestoreRequest
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.archive import archiving, repair
from ledgerflow_ops.operations.archive.copies import copy_in
from ledgerflow_ops.operations.archive.sources import sources_of
from ledgerflow_ops.operations.backfill import adoption
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.restore import recover, restore
from ledgerflow_ops.operations.verification import drill, verify
from ledgerflow_ops_tests.builders import Recorder, backup_folder_of
from ledgerflow_ops_tests.e2e.commands import flip_bit
from ledgerflow_ops_tests.fakes.object_servers import ACCOUNT, BUCKET, AzureServer, S3Server
from ledgerflow_ops_tests.fakes.targets import RestoreTarget
from ledgerflow_ops_tests.operations.archive.archives import Archives


def s3_location(server: S3Server, prefix: str) -> dict[str, Any]:
    return {
        "name": "cloud",
        "kind": "s3",
        "url": f"s3://{BUCKET}/{prefix}",
        "endpoint": f"http://127.0.0.1:{server.port}",
        "region": "us-east-1",
        "credentials_file": server.credentials,
    }


def azure_location(server: AzureServer, prefix: str) -> dict[str, Any]:
    url = f"http://127.0.0.1:{server.port}/{ACCOUNT}/{BUCKET}/{prefix}"
    return {"name": "cloud", "kind": "azure", "url": url, "credentials_file": server.credentials}


@pytest.fixture
def archives(root: Any) -> Archives:
    return Archives(root)


def test_the_primary_comes_first_and_a_named_location_alone(archives: Archives) -> None:
    name = archives.add(1)
    archives.archive()
    env = archives.env
    assert [at.store.location for at, _ in sources_of(env, name.dump)] == [
        at.store.location for at in env.locations()
    ]
    ((at, found),) = sources_of(env, f"far:{name.dump}")
    assert (at.store.location, found) == (str(archives.root / "far" / "dev"), name)
    ((at, _),) = sources_of(env, "far:latest-proven")
    assert at.store.location == str(archives.root / "far" / "dev")


def test_a_copy_is_taken_where_the_primary_has_none(archives: Archives) -> None:
    older, newer = archives.add(3), archives.add(1)
    archives.archive()
    shutil.rmtree(archives.primary.path)
    (archives.folder("usb").path / newer.manifest).unlink()
    (archives.folder("usb").path / newer.dump).unlink()
    found = [(at.archive.name if at.archive else "", name) for at, name in sources_of(archives.env, "latest")]
    assert found == [("far", newer), ("usb", older)], "the newest recovery point first"


def test_a_bad_copy_and_a_location_that_is_away_are_no_sources(archives: Archives) -> None:
    name = archives.add(1)
    archives.archive()
    (archives.folder("usb").path / name.dump).write_bytes(b"")
    shutil.rmtree(archives.root / "far")
    ((at, _),) = sources_of(archives.env, name.dump)
    assert at.archive is None


def test_a_location_that_is_not_set_names_those_that_are(archives: Archives) -> None:
    with pytest.raises(
        SettingsError, match=r"dev has no location 'nas': it has primary, usb, far\."
    ) as error:
        next(sources_of(archives.env, "nas:latest"))
    assert "FILE=location:name" in error.value.hint


def _archived(field: RestoreTarget, server: S3Server, recorder: Recorder) -> EnvironmentContext:
    """dev with its backup first.dump copied to S3."""
    env = field.env(reporter=recorder, locations=[s3_location(server, field.name)])
    result = archiving.archive_backups(env)
    assert not result.troubles
    return env


@pytest.mark.slow
def test_a_bad_primary_is_restored_repaired_and_recovered_from_s3(
    field: RestoreTarget, s3_server: S3Server
) -> None:
    recorder = Recorder()
    env, name = _archived(field, s3_server, recorder), BackupName("first")
    cloud, folder = env.locations()[1], backup_folder_of(env).path
    assert copy_in(cloud, name, "").state is CopyState.GOOD
    assert drill.drill(cloud, name).proven, "a drill reads it from there"

    whole = (folder / name.dump).read_bytes()
    flip_bit(folder / name.dump)
    restored = restore.restore(env, RestoreRequest(environment="dev", file="first.dump", force=True))
    assert restored.bad is None
    assert not field.is_old()
    assert any(said.startswith("first.dump in primary: ") for said in recorder.said)
    assert f"first.dump is read from the location cloud, {cloud.store.location}" in recorder.said

    assert not repair.repair(env, repair.plan(env)).failed
    assert (folder / name.dump).read_bytes() == whole
    assert catalog.entry(env, name).proven

    shutil.rmtree(folder)
    field.drop()
    incident, recovered = recover.recover(env, RecoverRequest(environment="dev"))
    assert recovered.bad is None
    assert [one.file for one in incident.candidates] == [cloud.store.describe("first.dump")]
    (entry,) = catalog.newest_first(cloud)
    adoption.adopt_copy(env, cloud, entry)
    assert (folder / name.dump).read_bytes() == whole


@pytest.mark.slow
def test_an_object_that_was_changed_is_found_and_never_restored(
    field: RestoreTarget, s3_server: S3Server
) -> None:
    env, name = _archived(field, s3_server, Recorder()), BackupName("first")
    cloud = env.locations()[1]
    key = f"{field.name}/dev/{name.dump}"
    data = bytearray(s3_server.client().get_object(Bucket=BUCKET, Key=key)["Body"].read())
    data[len(data) // 2] ^= 1
    s3_server.client().put_object(Bucket=BUCKET, Key=key, Body=bytes(data))
    request = RestoreRequest(environment="dev", file="cloud:first.dump", force=True)
    with pytest.raises(Refused, match="its SHA-256 differs"):
        restore.restore(env, request)
    assert field.is_old(), "the live database is as it was"
    assert copy_in(cloud, name, "").state is CopyState.BAD, "the verdict is kept beside it"
    assert not repair.repair(env, repair.plan(env)).failed
    assert copy_in(cloud, name, "").state is CopyState.GOOD


@pytest.mark.slow
def test_a_lost_primary_is_verified_and_restored_from_azure(
    field: RestoreTarget, azure_server: AzureServer
) -> None:
    env = field.env(locations=[azure_location(azure_server, field.name)])
    folder, name = backup_folder_of(env).path, BackupName("first")
    result = archiving.archive_backups(env)
    assert not result.troubles
    assert list(result.locations[0].copied) == [name.stem]
    cloud = env.locations()[1]
    for file in (name.dump, name.globals, name.proof, name.manifest):
        assert cloud.store.read(file) == (folder / file).read_bytes()
    assert not archiving.archive_backups(env).locations[0].copied, "nothing is copied twice"

    shutil.rmtree(folder)
    assert verify.verify(cloud, name).rung is Rung.READABLE
    assert copy_in(cloud, name, "").state is CopyState.GOOD
    restored = restore.restore(env, RestoreRequest(environment="dev", file="first.dump", force=True))
    assert restored.bad is None
    assert not field.is_old()


def test_a_frozen_s3_delays_no_more_than_its_own_copies(root: Any, s3_server: S3Server) -> None:
    archives = Archives(root, settings={"stall_seconds": 2})
    name = archives.add(1)
    cloud = s3_location(s3_server, root.name)
    listed = [cloud, *({"name": n, "kind": "folder", "url": str(root / n)} for n in archives.places)]
    frozen = Archives(root, locations={}, settings={"stall_seconds": 2, "locations": listed})
    s3_server.freeze()
    try:
        result = archiving.archive_backups(frozen.env)
    finally:
        s3_server.thaw()
    trouble = result.locations[0].trouble
    assert trouble
    assert "The archive location cloud has made no progress for 2 seconds." in trouble.message
    assert [archives.state(place, name) for place in archives.places] == [CopyState.GOOD] * 2
    again = archiving.archive_backups(frozen.env)
    assert not again.troubles
    assert again.checks(name)[1].passed, "three copies and more, one of them elsewhere"
