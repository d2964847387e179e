"""A recovery: from the newest sound backup in any location, with a record of what happened."""

import json
import shutil
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.system import journal_file
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.comparison.seal_comparison import facts_equal
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.core.operation_requests import BackupRequest, RecoverRequest
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.cleanup import restore_leftovers
from ledgerflow_ops.operations.restore import recover
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.fakes.targets import RestoreTarget


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def folder(field: RestoreTarget) -> Path:
    return backup_folder_of(field.env()).path


def is_(field: RestoreTarget, file: str, at: Path | None = None) -> bool:
    """Whether the live database equals that backup's seal."""
    env = field.env()
    found = env if at is None else type(env)(env.ctx, env.environment, at)
    manifest = catalog.read_manifest(found, BackupName.of(file))
    assert manifest is not None
    return facts_equal(manifest.seal, field.seal(), same_major=True) == []


def test_a_bad_newest_is_rejected_with_its_reason_and_the_next_one_restored(field: RestoreTarget) -> None:
    field.ask("DELETE FROM public.profiles_journalline WHERE id > 100")
    left = field.ask("SELECT count(*) FROM public.profiles_journalline")
    env = field.env(rules=())
    backup.backup(env, BackupRequest(file="second.dump"))
    flip(folder(field) / "second.dump")
    field.drop()
    incident, restored = recover.recover(field.env(rules=()), RecoverRequest(environment="dev"))
    assert restored.bad is None
    assert is_(field, "first.dump")
    assert incident.outcome == "RECOVERED"
    assert incident.primary == f"{field.name} is gone."
    (rejected, held) = incident.candidates
    assert (Path(rejected.file).name, Path(held.file).name) == ("second.dump", "first.dump")
    assert "its SHA-256 differs" in rejected.reason
    assert held.holds
    losses = {loss.table: (loss.known, loss.restored) for loss in incident.losses}
    known, came_back = losses["public.profiles_journalline"]
    assert known == left
    assert came_back > 1000
    assert incident.lost is not None
    assert incident.lost.total_seconds() > 0


def test_the_record_is_kept_beside_the_backups_for_people_and_programs(field: RestoreTarget) -> None:
    field.drop()
    incident, _ = recover.recover(field.env(), RecoverRequest(environment="dev"))
    place = field.sandbox.root / "backups" / "incidents"
    text, record = (place / f"{incident.name}.md").read_text(), place / f"{incident.name}.json"
    assert text.startswith(f"# Incident {incident.name}\n\nRECOVERED\n")
    assert "first.dump" in text
    assert "pg_restore" in text
    assert "password" not in text.lower()
    fields = json.loads(record.read_text())
    assert fields["searched"] == [str(folder(field))]
    assert [one["file"] for one in fields["candidates"]] == [str(folder(field) / "first.dump")]
    assert record.stat().st_mode & 0o077 == 0
    entries = journal_file.read_entries(field.env().ctx.settings.state_dir)
    assert [entry["what"] for entry in entries] == ["backup", "drill", "restore", "recover"]
    assert [entry["result"] for entry in entries] == ["ok"] * 4
    assert entries[-1]["incident"] == incident.name


def test_an_archive_is_searched_too_and_the_newest_of_all_places_comes_first(field: RestoreTarget) -> None:
    archive = field.sandbox.root / "archive"
    (archive / "dev").mkdir(parents=True)
    field.ask("INSERT INTO public.auth_user SELECT * FROM public.auth_user WHERE false")
    backup.backup(field.env(), BackupRequest(file="second.dump"))
    for file in folder(field).glob("second.*"):
        shutil.move(file, archive / "dev" / file.name)
    field.drop()
    env = field.env(archive_roots=[archive])
    incident, restored = recover.recover(env, RecoverRequest(environment="dev"))
    assert restored.bad is None
    assert [one.file for one in incident.candidates] == [str(archive / "dev" / "second.dump")]
    assert incident.searched == [str(folder(field)), str(archive / "dev")]
    assert field.is_old(), "the second was taken after the mark"


def test_the_primary_folder_gone_altogether(field: RestoreTarget) -> None:
    archive = field.sandbox.root / "archive"
    shutil.copytree(folder(field), archive / "dev")
    shutil.rmtree(folder(field))
    field.drop()
    incident, restored = recover.recover(
        field.env(archive_roots=[archive]), RecoverRequest(environment="dev")
    )
    assert restored.bad is None
    assert incident.candidates[-1].file == str(archive / "dev" / "first.dump")
    assert is_(field, "first.dump", archive / "dev")


def test_with_nothing_left_it_says_what_was_searched_and_why_each_was_rejected(field: RestoreTarget) -> None:
    flip(folder(field) / "first.dump")
    shutil.copy(folder(field) / "first.dump", folder(field) / "by_hand.dump")
    field.drop()
    archive = field.sandbox.root / "archive"
    with pytest.raises(LedgerError, match="Nothing is left to restore dev from") as error:
        recover.recover(field.env(archive_roots=[archive]), RecoverRequest(environment="dev"))
    assert error.value.exit_code == 1
    for words in (
        str(folder(field)),
        str(archive / "dev"),
        "first.dump: ",
        "its SHA-256",
        "by_hand.dump: no manifest",
    ):
        assert words in error.value.message
    assert "archive_roots" in error.value.hint
    assert field.names() == []
    (record,) = (field.sandbox.root / "backups" / "incidents").glob("*.md")
    assert "NOT RECOVERED: Nothing is left" in record.read_text()
    assert "Nothing was restored." in record.read_text()


def test_nothing_at_all(field: RestoreTarget) -> None:
    shutil.rmtree(folder(field))
    field.drop()
    with pytest.raises(LedgerError, match="There was no dump in any of them"):
        recover.recover(field.env(), RecoverRequest(environment="dev"))


def test_a_database_that_is_there_is_not_replaced_until_somebody_calls_it_bad(field: RestoreTarget) -> None:
    before = field.seal()
    for confirmed in ("", "yes", "prod", "DEV"):
        with pytest.raises(Refused, match="would replace it by an older state") as refusal:
            recover.recover(field.env(), RecoverRequest(environment="dev", confirm=confirmed))
        assert "CONFIRM=dev" in refusal.value.hint
    assert field.seal() == before
    incident, restored = recover.recover(field.env(), RecoverRequest(environment="dev", confirm="dev"))
    assert restored.bad is None
    assert incident.primary.endswith("was confirmed to be bad.")
    assert restored.before is not None
    assert [one.name for one in restore_leftovers.previous_databases(field.env())] == [restored.before]
    assert f"make discard NAME={restored.before}" in "\n".join(incident.todo)


def test_one_that_cannot_be_read_is_no_obstacle_and_is_kept(field: RestoreTarget) -> None:
    field.ask("CREATE FUNCTION public.broken() RETURNS int LANGUAGE sql AS 'SELECT 1/0'")
    field.ask("CREATE TABLE public.bad (id int)")
    file = field.ask("SELECT pg_relation_filepath('public.profiles_journalline')")
    field.ask("CHECKPOINT")
    data = field.server.cluster.data / file
    with data.open("r+b") as stream:  # as a bad disk would: the header of the first page
        stream.write(b"\xff" * 64)
    with field.server.database.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [field.name]
        )
    field.server.crash()
    field.server.start()
    incident, restored = recover.recover(field.env(), RecoverRequest(environment="dev", confirm="dev"))
    assert restored.bad is None
    assert restored.safety is None
    assert is_(field, "first.dump")
    assert incident.outcome == "RECOVERED"


def test_a_server_that_does_not_answer_is_said_so(field: RestoreTarget) -> None:
    field.server.crash()
    try:
        with pytest.raises(LedgerError, match="The server itself does not answer") as error:
            recover.recover(field.env(), RecoverRequest(environment="dev"))
        assert "an empty one will do" in error.value.hint
    finally:
        field.server.start()
    assert field.is_old()
