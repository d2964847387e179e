"""Damaged copies of an encrypted backup: each is bad by name, is never restored, and is repaired."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerflow_ops.core.archive.copies import CopyState
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.errors import KeyUnavailable, Refused
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.archive import archiving, repair
from ledgerflow_ops.operations.archive.copies import copy_in
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.verification import drill, verify
from ledgerflow_ops_tests.fakes import age_keys, encrypted_backups
from ledgerflow_ops_tests.fakes.encrypted_backups import LARGE, PARTS, SMALL, EncryptedBackups
from ledgerflow_ops_tests.fakes.object_servers import BUCKET, S3Server
from ledgerflow_ops_tests.fakes.servers import Server
from ledgerflow_ops_tests.operations.archive.test_sources import s3_location


@pytest.fixture(scope="module")
def stock(session_root: Path, server: Server) -> Iterator[EncryptedBackups]:
    with encrypted_backups.encrypted_backups(session_root, server) as made:
        yield made


@pytest.fixture
def env(stock: EncryptedBackups) -> EnvironmentContext:
    """dev with whole backups in its primary folder, and whole copies of them in the folder `usb`."""
    copies(stock).mkdir(parents=True, exist_ok=True)
    stock.lay({})
    stock.lay({}, copies(stock))
    return stock.target.env(locations=folder_location(stock))


def folder_location(stock: EncryptedBackups) -> list[dict[str, str]]:
    return [{"name": "usb", "kind": "folder", "url": str(copies(stock).parent)}]


def copies(stock: EncryptedBackups) -> Path:
    """The folder of the copies."""
    return stock.target.sandbox.root / "usb" / "dev"


def test_a_whole_copy_is_good_and_read_by_whoever_has_the_key(
    stock: EncryptedBackups, env: EnvironmentContext
) -> None:
    usb = env.locations()[1]
    assert verify.verify(usb, stock.name).rung is Rung.READABLE
    assert copy_in(usb, stock.name, stock.first.digest).state is CopyState.GOOD
    for fields in (
        {"identity_file": None},
        {"identity_file": age_keys.new_key(stock.target.sandbox.root / "other.txt").file},
    ):
        blind = stock.target.env(locations=folder_location(stock), **fields).locations()[1]
        with pytest.raises(KeyUnavailable) as missing:
            verify.verify(blind, stock.name)
        assert missing.value.exit_code == 5
        assert missing.value.hint
        assert copy_in(blind, stock.name, stock.first.digest).state is CopyState.GOOD, "no verdict on it"


KINDS = {**SMALL, "the last chunk missing": LARGE["the last chunk missing"]}
CASES = [
    *((part, kind) for part in PARTS for kind in ("another backup's header", "a plain file", "0 bytes")),
    *((part, kind) for part in PARTS for kind in ("zero-filled", "a flip in the last byte", "appended")),
    ("dump", "the last chunk missing"),
    ("files", "the last chunk missing"),
]


@pytest.mark.parametrize(("part", "kind"), CASES, ids=[": ".join(case) for case in CASES])
def test_a_damaged_copy_is_bad_by_name_is_not_restored_and_is_repaired(
    stock: EncryptedBackups, env: EnvironmentContext, part: str, kind: str
) -> None:
    usb, folder, file = env.locations()[1], copies(stock), stock.file(part)
    (folder / file).write_bytes(KINDS[kind](stock, part))
    for examine in (verify.verify, drill.drill):
        examination = examine(usb, stock.name)
        assert examination.bad
        assert examination.bad.message.startswith(f"{file} ")
        assert examination.bad.hint
    assert copy_in(usb, stock.name, stock.first.digest).state is CopyState.BAD
    assert catalog.entry(env, stock.name).proven, "the primary folder's own is as good as before"
    with pytest.raises(Refused) as refusal:
        stock.target.restore("usb:first.dump", locations=folder_location(stock))
    assert file in refusal.value.message
    assert stock.target.is_old()
    assert stock.target.names() == [stock.target.name]
    repaired = repair.repair(env, repair.plan(env, stock.name.dump))
    assert not repaired.failed
    assert (folder / file).read_bytes() == stock.data(part)
    assert copy_in(usb, stock.name, stock.first.digest).state is CopyState.GOOD


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("kind", ["another backup's header", "a plain file"])
def test_a_copy_whose_manifest_was_made_to_fit_is_foreign_and_bad(
    stock: EncryptedBackups, env: EnvironmentContext, part: str, kind: str
) -> None:
    usb = env.locations()[1]
    stock.lay(stock.forged(part, SMALL[kind](stock, part)), copies(stock))
    assert copy_in(usb, stock.name, stock.first.digest).state is CopyState.FOREIGN
    examination = verify.verify(usb, stock.name)
    assert examination.bad
    assert examination.bad.cause == "cipher"
    assert stock.file(part) in examination.bad.message
    with pytest.raises(Refused):
        stock.target.restore("usb:first.dump", locations=folder_location(stock))
    assert stock.target.is_old()


@pytest.mark.slow
def test_a_header_swapped_between_two_objects_is_found_and_never_restored(
    stock: EncryptedBackups, env: EnvironmentContext, s3_server: S3Server
) -> None:
    location = s3_location(s3_server, stock.target.name)
    cloud = stock.target.env(locations=[location]).locations()[1]
    result = archiving.archive_backups(stock.target.env(locations=[location]))
    assert not result.troubles
    assert verify.verify(cloud, stock.name).rung is Rung.READABLE
    for part in PARTS:
        forged = stock.forged(part, SMALL["another backup's header"](stock, part))
        for committed in (False, True):
            for file in forged if committed else [stock.file(part)]:
                key = f"{stock.target.name}/dev/{file}"
                s3_server.client().put_object(Bucket=BUCKET, Key=key, Body=forged[file])
            examination = verify.verify(cloud, stock.name)
            assert examination.bad
            assert stock.file(part) in examination.bad.message
            assert ("altered or cut" in examination.bad.message) is committed
            assert copy_in(cloud, stock.name, "").state is CopyState.BAD
        with pytest.raises(Refused):
            stock.target.restore("cloud:first.dump", locations=[location])
        assert stock.target.is_old()
        for file in forged:
            key = f"{stock.target.name}/dev/{file}"
            s3_server.client().put_object(Bucket=BUCKET, Key=key, Body=stock.kept[file])
