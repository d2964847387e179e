"""Every operation is on record, however it ended, and the record is only ever added to."""

import json
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.system import journal_file as file
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.core.operation_requests import BackupRequest
from ledgerflow_ops.core.presentation.journal_view import EntryFilter
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations import journal
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.verification import drill, verify
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import Recorder, backup_folder_of
from ledgerflow_ops_tests.e2e.commands import Shell, flip_bit
from ledgerflow_ops_tests.fakes.sandboxes import ActionAtStep


def told(env: EnvironmentContext) -> list[dict[str, object]]:
    return [dict(entry) for entry in journal.entries(env.ctx, EntryFilter())]


def test_a_backup_a_reading_and_a_drill_each_have_a_line(env: EnvironmentContext) -> None:
    name = BackupName.of(backup.backup(env, BackupRequest(file="first.dump")).dump.file)
    verify.verify(env, name)
    drill.drill(env, name)
    found = told(env)
    assert [(one["what"], one["result"], one["rung"]) for one in found] == [
        ("backup", "ok", "written"),
        ("verify", "ok", "readable"),
        ("drill", "ok", "valid"),
    ]
    for one in found:
        assert (one["file"], one["environment"], one["who"]) == ("first.dump", "dev", "tests")
        assert (one["why"], one["run_id"]) == ("a test", "test-run")
        assert str(one["began"]) <= str(one["at"])
        assert float(str(one["seconds"])) > 0
    assert found[2]["rto_seconds"]
    assert (env.ctx.settings.state_dir / "journal.jsonl").stat().st_mode & 0o077 == 0


def test_what_is_found_bad_is_on_record_as_bad(env: EnvironmentContext) -> None:
    name = BackupName.of(backup.backup(env).dump.file)
    flip_bit(backup_folder_of(env).file(name.dump))
    assert not verify.verify(env, name).proven
    assert not drill.drill(env, name).proven
    for one in told(env)[1:]:
        assert (one["result"], one["rung"]) == ("bad", "written")
        assert "SHA-256 differs" in str(one["error"])


def test_what_fails_or_is_refused_is_on_record_with_its_reason(root: Path, env: EnvironmentContext) -> None:
    backup.backup(env, BackupRequest(file="first.dump"))
    with pytest.raises(Refused):
        backup.backup(env, BackupRequest(file="first.dump"))
    nowhere = Database({"host": "127.0.0.1", "port": "1", "user": "x", "password": "geheim", "dbname": "b"})
    with pytest.raises(LedgerError):
        backup.backup(builders.env(root, nowhere))
    refused, failed = told(env)[1:]
    assert (refused["result"], failed["result"]) == ("refused", "failed")
    assert "exists already" in str(refused["error"])
    assert "127.0.0.1:1" in str(failed["error"])
    assert "geheim" not in json.dumps(told(env))


def test_what_is_interrupted_is_on_record_as_that(root: Path, database: Database) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    env = builders.env(root, database, reporter=ActionAtStep(at=Step.DUMP, action=stop))
    with pytest.raises(KeyboardInterrupt):
        backup.backup(env)
    [one] = told(env)
    assert (one["what"], one["result"]) == ("backup", "interrupted")


def test_a_journal_that_cannot_be_written_is_reported_and_undoes_nothing(
    root: Path, database: Database
) -> None:
    recorder = Recorder()
    env = builders.env(root, database, reporter=recorder)
    (env.ctx.settings.state_dir / "journal.jsonl").mkdir(parents=True)
    made = backup.backup(env)
    assert backup_folder_of(env).taken(made.dump.file)
    assert [said for said in recorder.said if "not written to the journal" in said]


def test_lines_that_are_damaged_or_of_others_hide_none_of_the_rest(root: Path) -> None:
    state = root / "state"
    file.append_entry(state, {"what": "backup", "at": "2026-11-23T12:00:00+00:00", "environment": "dev"})
    with (state / "journal.jsonl").open("ab") as journal_file:
        journal_file.write(b'[1, 2]\n"text"\n\xff\xfe\n{"what": "dri')
    (state / "journal-2025.jsonl").write_text('{"what": "drill", "at": "2025-01-01T00:00:00+00:00"}\n')
    assert [entry["what"] for entry in file.read_entries(state)] == ["drill", "backup"], "earlier years first"


def test_what_is_appended_after_a_cut_line_is_read(root: Path) -> None:
    state = root / "state"
    state.mkdir()
    (state / "journal.jsonl").write_text('{"what": "dri')
    file.append_entry(state, {"what": "backup"})
    assert [entry["what"] for entry in file.read_entries(state)] == ["backup"]


def test_a_journal_that_may_not_be_read_is_an_error_with_a_hint(root: Path) -> None:
    (root / "state" / "journal.jsonl").mkdir(parents=True)
    with pytest.raises(LedgerError, match="is a folder, not a regular file") as error:
        file.read_entries(root / "state")
    assert error.value.hint


class TestCommand:
    """`ledgerflow journal` as a person types it."""

    @pytest.fixture
    def shell(self, root: Path) -> Shell:
        shell = Shell(root)
        for day, environment, what in ((1, "dev", "backup"), (2, "prod", "backup"), (3, "dev", "drill")):
            file.append_entry(
                shell.state,
                {
                    "what": what,
                    "at": f"2026-11-0{day}T12:00:00+00:00",
                    "environment": environment,
                    "who": "ida",
                    "why": "[by hand]",
                    "result": "ok",
                    "file": f"{day}.dump",
                },
            )
        return shell

    @pytest.mark.parametrize(
        ("variables", "files"),
        [
            ({}, ["1.dump", "2.dump", "3.dump"]),
            ({"LEDGER_ENV": "dev"}, ["1.dump", "3.dump"]),
            ({"WHAT": "drill"}, ["3.dump"]),
            ({"LAST": "2"}, ["2.dump", "3.dump"]),
            ({"SINCE": "2026-11-02"}, ["2.dump", "3.dump"]),
            ({"SINCE": "2026-11-02", "LEDGER_ENV": "prod", "LAST": "5"}, ["2.dump"]),
            ({"WHAT": "rotate"}, []),
        ],
    )
    def test_it_tells_what_is_asked_for(
        self, shell: Shell, variables: dict[str, str], files: list[str]
    ) -> None:
        said = shell.ledgerflow("journal", "--json", **variables)
        assert said.code == 0, said.all
        assert [entry["file"] for entry in said.json["entries"]] == files
        for name in files:
            assert name in said.errors

    def test_for_people_it_is_a_table(self, shell: Shell) -> None:
        said = shell.ledgerflow("journal")
        assert said.code == 0
        assert "[by hand]" in said.out
        assert len([line for line in said.out.splitlines() if ".dump" in line]) == 3

    @pytest.mark.parametrize(
        ("variables", "word"),
        [({"SINCE": "yesterday"}, "SINCE"), ({"LAST": "0"}, "last"), ({"LEDGER_ENV": "PROD"}, "PROD")],
    )
    def test_a_slip_is_reported(self, shell: Shell, variables: dict[str, str], word: str) -> None:
        said = shell.ledgerflow("journal", "--json", **variables)
        assert said.code == said.json["exit_code"] == 2
        assert word in said.json["error"]["message"]

    def test_where_nothing_was_ever_done_it_says_so(self, root: Path) -> None:
        said = Shell(root).ledgerflow("journal")
        assert (said.code, said.out) == (0, "The journal has no such entry.\n")
        assert not (root / "state").exists()


def test_every_environment_has_its_own_lines(root: Path, database: Database) -> None:
    env = builders.env(root, database)
    backup.backup(env)
    assert journal.entries(env.ctx, EntryFilter(environment=str(Environment.PROD))) == []
