"""Copies of encrypted backups in a real S3: made without a key, of use to its owner alone."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledgerflow_ops.core.archive.copies import CopyState
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import KeyUnavailable
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.archive import archiving
from ledgerflow_ops.operations.archive.copies import copy_in
from ledgerflow_ops.operations.archive.sources import first_source
from ledgerflow_ops.operations.verification import drill, verify
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.fakes import age_keys, targets
from ledgerflow_ops_tests.fakes.object_servers import S3Server
from ledgerflow_ops_tests.fakes.servers import Server
from ledgerflow_ops_tests.fakes.targets import RestoreTarget
from ledgerflow_ops_tests.operations.archive.test_sources import s3_location


@pytest.fixture
def field(root: Path, server: Server) -> Iterator[RestoreTarget]:
    """A database whose backup, first.dump.age, is encrypted for a key."""
    key = age_keys.new_key(root / "key.txt")
    with targets.restore_target(root, server, **key.settings) as made:
        yield made


@pytest.mark.slow
def test_a_lost_primary_is_restored_from_an_encrypted_copy_by_whoever_has_the_key(
    field: RestoreTarget, s3_server: S3Server
) -> None:
    cloud: dict[str, Any] = {"locations": [s3_location(s3_server, field.name)]}
    env, blind = field.env(**cloud), field.env(identity_file=None, **cloud)
    assert not archiving.archive_backups(blind).troubles, "copying needs no key"
    at, name = env.locations()[1], BackupName("first", encrypted=True)
    assert copy_in(at, name, "").state is CopyState.GOOD
    for file in (name.dump, name.globals):
        assert at.store.read(file).startswith(b"age-encryption.org/v1\n")

    shutil.rmtree(backup_folder_of(env).path)
    for examine in (verify.verify, drill.drill):
        with pytest.raises(KeyUnavailable, match="no identity is set here") as missing:
            examine(*first_source(blind, "first.dump"))
        assert missing.value.exit_code == 5
        assert "identity_file or identity_command" in missing.value.hint
    with pytest.raises(KeyUnavailable, match=r"first\.dump\.age: It is encrypted"):
        field.restore("cloud:first.dump", identity_file=None, **cloud)
    assert field.is_old(), "the live database is as it was"
    assert catalog.entry(at, name).proven, "without a key nothing is said about the copy"

    assert drill.drill(*first_source(env, "latest")).proven
    restored = field.restore("first.dump", **cloud)
    assert restored.bad is None
    assert not field.is_old()
