"""The names of a backup's files: what is written, what is honoured, what is refused."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.catalog.naming import (
    BackupName,
    claimed_environment,
    claimed_instant,
    custom_name,
    default_names,
)
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import SettingsError

AT = datetime(2026, 11, 23, 7, 5, 9)  # noqa: DTZ001 - a local time on purpose


def test_a_backup_is_named_for_its_environment_day_and_minute_then_for_its_second() -> None:
    first, second = default_names(Environment.PROD, AT)
    assert first.dump == "ledgerflow_prod_20261123_0705.dump"
    assert second.dump == "ledgerflow_prod_20261123_070509.dump"


def test_all_files_of_a_backup_share_its_stem() -> None:
    name = BackupName("before.dump")
    files = (name.dump, name.files, name.globals, name.manifest, name.proof)
    assert len(set(files)) == 5
    assert {BackupName.of(file) for file in files} == {name}


@pytest.mark.parametrize("file", ["notes.txt", "x.dump.partial", "dump", ""])
def test_a_foreign_file_is_no_backups_file(file: str) -> None:
    with pytest.raises(ValueError, match="not the name of a backup's file"):
        BackupName.of(file)


@pytest.mark.parametrize(
    "file", ["before_migration.dump", "A-1.2.dump", "ledgerflow_dev_20261123_0705.dump", "reproduction.dump"]
)
def test_a_plain_name_is_honoured(file: str) -> None:
    assert custom_name(Environment.DEV, file).dump == file


@pytest.mark.parametrize(
    "file",
    [
        "",
        ".dump",
        ".hidden.dump",
        "../up.dump",
        "a/b.dump",
        "/abs.dump",
        "a\\b.dump",
        "a..dump",
        "a b.dump",
        "a.dump\n",
        "a.DUMP",
        "a.sql",
        "a.dump.partial",
        "-rf.dump",
        "ü.dump",
        "a\0.dump",
        "a" * 196 + ".dump",
    ],
)
def test_a_name_that_is_not_plain_is_refused_with_a_hint(file: str) -> None:
    with pytest.raises(SettingsError, match="not a plain name") as caught:
        custom_name(Environment.DEV, file)
    assert "FILE=before_migration.dump" in caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("file", "other"),
    [
        ("prod.dump", "prod"),
        ("PROD_copy.dump", "prod"),
        ("before-test.dump", "test"),
        ("ledgerflow_prod_20261123_0705.dump", "prod"),
        ("a.Test.dump", "test"),
    ],
)
def test_a_name_that_claims_another_environment_is_refused(file: str, other: str) -> None:
    with pytest.raises(SettingsError, match=f"names the environment {other}") as caught:
        custom_name(Environment.DEV, file)
    assert f"LEDGER_ENV={other}" in caught.value.hint


@given(st.text(max_size=12).map(lambda text: text + ".dump"))
def test_whatever_is_honoured_stays_inside_its_folder(file: str) -> None:
    try:
        name = custom_name(Environment.DEV, file)
    except SettingsError:
        return
    assert name.dump == file
    assert not set(file) & set("/\\\0\n ")
    assert not file.startswith((".", "-"))


@given(st.sampled_from(Environment), st.datetimes(min_value=datetime(1000, 1, 1)))  # noqa: DTZ001
def test_a_standard_name_claims_the_environment_and_the_time_it_was_made_of(
    environment: Environment, instant: datetime
) -> None:
    minute, second = default_names(environment, instant)
    assert claimed_environment(minute) is claimed_environment(second) is environment
    assert claimed_instant(minute) == instant.replace(second=0, microsecond=0)
    assert claimed_instant(second) == instant.replace(microsecond=0)


@pytest.mark.parametrize("stem", ["before_migration", "ledgerflow_stage_20261123_0705", "xledgerflow_dev_1"])
def test_another_name_claims_no_environment(stem: str) -> None:
    assert claimed_environment(BackupName(stem)) is None


@pytest.mark.parametrize(
    "stem",
    [
        "before",
        "ledgerflow_dev_20261323_0705",
        "ledgerflow_dev_20261123_2561",
        "ledgerflow_dev_20261123_07050",
    ],
)
def test_another_name_claims_no_time(stem: str) -> None:
    assert claimed_instant(BackupName(stem)) is None
