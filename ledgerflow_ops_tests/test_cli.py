"""The console script and make as people and programs use them: words, JSON and exit codes, all for real."""

import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.core.catalog.proof import Verdict
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.defs import storage
from ledgerflow_ops_tests.e2e import commands
from ledgerflow_ops_tests.e2e.commands import PROGRAM, CommandResult, Shell, flip_bit
from ledgerflow_ops_tests.e2e.screens import Screen
from ledgerflow_ops_tests.fakes import backup_tables

pytestmark = pytest.mark.e2e

DUMP_CHECKS = {"exists", "size", "permissions", "integrity", "sealed", "source_is_real"}
DRILL_CHECKS = {"restorable", "data_rules"}
CONTROL = re.compile(r"[\r\x1b]")
FIGURES = re.compile(r"\d+(?:\.\d+)? [KMGT]?B free|\d+ (?:d|h|min|s)")
"""What changes from one moment to the next."""
WORDS = re.compile(r"\x1b\[[\d;]*m")
"""The sequences that leave the words of a line alone."""
COLOUR = re.compile(r"\x1b\[[\d;]*3[0-9]")


@pytest.fixture(scope="module")
def dev(session_root: Path) -> Iterator[Shell]:
    """A shell in which LEDGER_ENV is dev, with the sample for a database."""
    with commands.shell(session_root, LEDGER_ENV="dev") as found:
        yield found


@pytest.fixture(scope="module")
def made(dev: Shell) -> CommandResult:
    """The output of `ledgerflow backup --json`."""
    return dev.ledgerflow("backup", "--json", WHY="the first one")


@pytest.fixture(scope="module")
def named(dev: Shell, made: CommandResult) -> CommandResult:
    """The output of `make backup` with a name, as JSON, without a drill."""
    return dev.make("backup", "JSON=1", "DRILL=0", "FILE=before_migration.dump")


@pytest.fixture
def elsewhere(root: Path, embedded: EmbeddedPostgres, database: Database) -> Iterator[Shell]:
    """A shell whose dev has a real URL, and whose Dagster storage is a database of its own."""
    with storage.fresh(embedded.start()) as dagster:
        yield Shell(
            root,
            {
                "LEDGER_ENV": "dev",
                "LEDGER_DEV_DATABASE_URL": builders.database_url(database),
                "LEDGER_DAGSTER_DATABASE_URL": builders.database_url(dagster),
            },
        )


def names(checks: list[dict[str, Any]]) -> set[str]:
    return {check["name"] for check in checks}


def states(shell: Shell) -> dict[str, str]:
    """Each backup's state, as `status` shows it."""
    [environment] = shell.ledgerflow("status", "--json").json["environments"]
    return {entry["file"]: entry["state"] for entry in environment["backups"]}


@pytest.mark.parametrize("words", [["--help"], ["status"], ["verify", "--json"], ["nonsense"]])
def test_a_fork_answers_as_the_program_that_is_started(root: Path, words: list[str]) -> None:
    """Most tests type into a fork of a process that has its imports already; see `e2e/preloaded.py`."""
    shell = Shell(root, {"LEDGER_ENV": "dev"})
    started, forked = shell.run([str(PROGRAM), *words]), shell.ledgerflow(*words)
    assert started.code == forked.code
    assert FIGURES.sub("", started.out) == FIGURES.sub("", forked.out)
    assert started.errors == forked.errors


class TestEnvironment:
    @pytest.mark.parametrize("command", ["backup", "verify", "restore-test", "identity"])
    def test_an_operation_names_the_accepted_values_and_touches_nothing(
        self, root: Path, command: str
    ) -> None:
        """All values for one command, two for the others: one function judges them for all."""
        every = (None, "", "dve", "PROD", "preprod", "dev ")
        for value in every if command == "backup" else (None, "PROD"):
            given = {} if value is None else {"LEDGER_ENV": value}
            said = Shell(root).ledgerflow(command, **given)
            assert said.code == 2, f"{command} with {value!r}: {said.all}"
            assert said.out == ""
            assert "dev, test, prod" in said.errors
            assert repr(value) in said.errors or not value
        assert not Shell(root).state.exists()
        assert not Shell(root).backups.exists()

    @pytest.mark.parametrize("command", ["status", "doctor"])
    def test_looking_takes_no_misspelt_environment_either(self, root: Path, command: str) -> None:
        for value in ("PROD", "preprod"):
            said = Shell(root).ledgerflow(command, LEDGER_ENV=value)
            assert (said.code, said.out) == (2, "")
            assert "dev, test, prod" in said.errors

    def test_status_without_one_is_about_all_three(self, root: Path) -> None:
        found = Shell(root).ledgerflow("status", "--json").json["environments"]
        assert [entry["environment"] for entry in found] == ["dev", "test", "prod"]
        assert all(entry["newest_proven"] is None and entry["backups"] == [] for entry in found)


class TestDryRun:
    @pytest.mark.parametrize("command", ["backup", "discard", "pin"])
    def test_what_has_none_refuses_instead_of_acting(self, root: Path, command: str) -> None:
        said = Shell(root).ledgerflow(command, "--json", LEDGER_ENV="dev", DRY_RUN="1")
        assert said.code == 2, said.all
        assert f"{command} has no dry run" in said.json["error"]["message"]
        assert not Shell(root).state.exists()
        assert not Shell(root).backups.exists()

    def test_what_only_looks_takes_no_notice(self, root: Path) -> None:
        assert Shell(root).ledgerflow("status", LEDGER_ENV="dev", DRY_RUN="1").code == 0


class TestJson:
    def test_a_backup_tells_all_about_itself(self, dev: Shell, made: CommandResult) -> None:
        assert made.code == 0, made.all
        told = made.json
        dump, manifest = Path(told["file"]), Path(told["manifest"])
        assert (told["environment"], told["exit_code"], told["sample"]) == ("dev", 0, True)
        assert (told["rung"], told["proven"]) == ("valid", True)
        assert dump.parent == manifest.parent == dev.backups / "dev"
        assert re.fullmatch(r"ledgerflow_dev_\d{8}_\d{4}\.dump", dump.name)
        assert told["sizes"]["dump"] == dump.stat().st_size
        assert told["sizes"]["database"] > told["sizes"]["dump"]
        written = json.loads(manifest.read_text())
        assert told["sha256"] == written["dump"]["sha256"]
        assert told["recovery_point"].startswith(told["backup_day"])
        assert written["run"] == {
            "run_id": told["run_id"],
            "who": written["run"]["who"],
            "why": "the first one",
        }
        assert {"seal", "dump", "restore", "compare"} <= told["durations"].keys()
        assert all(spent >= 0 for spent in told["durations"].values())
        assert told["rto_seconds"] == pytest.approx(told["durations"]["restore"], abs=0.01)
        assert names(told["checks"]) == DUMP_CHECKS | DRILL_CHECKS
        for check in told["checks"]:
            assert {"name", "passed", "severity", "message", "hint"} <= check.keys()
            assert check["passed"], check

    def test_words_for_people_are_on_stderr(self, made: CommandResult) -> None:
        assert made.out.count("\n") == 1
        assert "PROVEN: valid" in made.errors
        assert "SAMPLE DATA" in made.errors

    def test_through_make_it_is_still_one_object(
        self, dev: Shell, named: CommandResult, made: CommandResult
    ) -> None:
        """Without -s and with it: make prints nothing of its own."""
        assert named.code == 0, named.all
        assert named.json["rung"] == "readable"
        assert names(named.json["checks"]) == DUMP_CHECKS
        said = dev.make("-s", "verify", "JSON=1", f"FILE={made.json['file']}")
        assert said.code == 0, said.all
        assert names(said.json["checks"]) == DUMP_CHECKS

    def test_through_make_a_failure_is_one_object_and_its_code_is_named(
        self, dev: Shell, made: CommandResult
    ) -> None:
        said = dev.make("-s", "verify", "JSON=1", "FILE=nowhere.dump")
        assert said.code == 2  # make's own, on any failure
        assert said.json["exit_code"] == 2
        assert "Error 2" in said.errors

    @pytest.mark.parametrize(
        ("arguments", "variables"),
        [
            (("verify", "--json=1"), {}),
            (("verify",), {"JSON": "yes"}),
            (("verify", "--json", "--no-such-option"), {}),
            (("no-such-command", "--json"), {}),
            (("verify", "--json"), {"LEDGER_ENV": "PROD"}),
            (("verify", "--json"), {"LEDGER_DEV_TIME_ZONE": "Mars"}),
            (("backup", "--json", "--drill", "maybe"), {}),
        ],
    )
    def test_an_error_is_an_object_however_json_was_asked_for(
        self, dev: Shell, arguments: tuple[str, ...], variables: dict[str, str]
    ) -> None:
        said = dev.ledgerflow(*arguments, **variables)
        assert said.code == said.json["exit_code"] == 2
        assert said.json["error"]["message"]
        assert said.json["error"]["hint"]
        assert said.json["error"]["message"].splitlines()[0] in said.errors

    def test_json_0_asks_for_words(self, dev: Shell) -> None:
        for arguments, variables in ((["verify", "--json", "0"], {"JSON": "1"}), (["verify"], {"JSON": "0"})):
            said = dev.ledgerflow(*arguments, **variables)
            assert (said.code, said.out) == (2, "")

    def test_even_the_unforeseen_is_one_object_without_secrets(self, dev: Shell) -> None:
        """A broken installation stands in for every unexpected error."""
        (dev.root / "broken").mkdir()
        (dev.root / "broken" / "dagster.py").write_text("raise RuntimeError('postgresql://u:geheim@h/db')")
        said = dev.ledgerflow("restore-test", "--json", PYTHONPATH=str(dev.root / "broken"))
        assert said.code == said.json["exit_code"] == 1
        assert said.json["error"]["message"] == "RuntimeError: postgresql://u:***@h/db"
        assert "Traceback" in said.errors
        assert "geheim" not in said.all


class TestExitCodes:
    """0 is in every other test."""

    def test_1_the_database_cannot_be_reached(self, elsewhere: Shell) -> None:
        url = "postgresql://ledger:hunter2-geheim@127.0.0.1:9/books"
        said = elsewhere.ledgerflow("backup", "--json", LEDGER_DEV_DATABASE_URL=url)
        assert said.code == said.json["exit_code"] == 1
        assert "127.0.0.1:9/books" in said.json["error"]["message"]
        assert said.json["error"]["hint"]
        assert said.json["checks"] == []
        assert "geheim" not in said.all

    def test_1_dagsters_storage_cannot_be_reached(self, elsewhere: Shell) -> None:
        url = "postgresql://dagster:hunter2-geheim@127.0.0.1:9/dagster"
        for command in (["backup"], ["doctor"], ["up"]):
            said = elsewhere.ledgerflow(*command, "--json", LEDGER_DAGSTER_DATABASE_URL=url)
            assert said.code == 1, said.all
            assert isinstance(said.json, dict)
            assert "127.0.0.1:9/dagster" in said.all
            assert "geheim" not in said.all
            assert "Traceback" not in said.all

    def test_2_the_settings_are_wrong(self, dev: Shell) -> None:
        said = dev.ledgerflow("backup", LEDGER_DEV_TIME_ZONE="Mars", LEDGER_TEST_RETENTION_DAYS="0")
        assert said.code == 2
        assert "environments.dev.time_zone" in said.errors
        assert "environments.test.retention_days" in said.errors

    def test_3_the_name_exists(self, dev: Shell, made: CommandResult) -> None:
        file = dev.file("dev", made)
        before = (file.stat().st_mtime_ns, sorted(file.parent.iterdir()))
        said = dev.ledgerflow("backup", "--json", FILE=file.name)
        assert said.code == said.json["exit_code"] == 3
        assert "exists already" in said.json["error"]["message"]
        assert (file.stat().st_mtime_ns, sorted(file.parent.iterdir())) == before

    def test_3_the_url_leads_to_another_environments_database(self, elsewhere: Shell) -> None:
        assert elsewhere.ledgerflow("backup", DRILL="0").code == 0
        url = elsewhere.variables["LEDGER_DEV_DATABASE_URL"]
        crossed = {"LEDGER_ENV": "test", "LEDGER_TEST_DATABASE_URL": url, "LEDGER_DEV_DATABASE_URL": ""}
        said = elsewhere.ledgerflow("backup", "--json", **crossed)
        assert said.code == said.json["exit_code"] == 3
        assert "LEDGER_ENV is test, but its URL leads to dev's" in said.json["error"]["message"]
        assert not list((elsewhere.backups / "test").glob("*.dump"))

    def test_4_the_backup_is_bad(self, dev: Shell, made: CommandResult) -> None:
        file = dev.file("dev", dev.ledgerflow("backup", "--json", FILE="damaged.dump", DRILL="0"))
        flip_bit(file)
        by_make = dev.make("-s", "verify", "JSON=1", f"FILE={file.name}")
        assert (by_make.code, "Error 4" in by_make.errors) == (2, True), "make ends with 2 and names the code"
        by_itself = dev.ledgerflow("restore-test", "--json", "--file", file.name)
        assert by_itself.code == 4
        for said in (by_make, by_itself):
            assert said.json["exit_code"] == 4, said.all
            assert said.json["proven"] is False
            assert "SHA-256" in said.json["error"]["message"]
            failed = [check for check in said.json["checks"] if not check["passed"]]
            assert failed
            assert all(check["hint"] for check in failed)
            assert "BAD: this backup does not count" in said.errors
        known = states(dev)
        assert (known[file.name], known[Path(made.json["file"]).name]) == ("bad", "valid")

    def test_5_it_cannot_be_judged_and_an_earlier_proof_stays(self, dev: Shell, made: CommandResult) -> None:
        settings = dev.root / "rules.toml"
        settings.write_text(
            '[[environments.dev.rules]]\nname = "typo"\nsql = "SELECT cuont(1)"\nexpect = "1"\n'
        )
        file = dev.file("dev", made).name
        said = dev.ledgerflow("restore-test", "--json", "--file", file, LEDGER_CONFIG=str(settings))
        assert said.code == said.json["exit_code"] == 5, said.all
        assert "'typo' cannot be run" in said.json["error"]["message"]
        assert said.json["error"]["hint"]
        assert "cuont" in said.errors
        assert re.search(r"The proof of [\d-]+ [\d:]+ UTC remains valid", said.errors)
        assert states(dev)[file] == "valid"


class TestFile:
    @pytest.mark.parametrize(
        ("file", "reason"),
        [
            ("../escape.dump", "not a plain name"),
            ("before_prod_migration.dump", "names the environment prod"),
        ],
    )
    def test_a_name_that_cannot_be_leaves_no_trace(
        self, dev: Shell, made: CommandResult, file: str, reason: str
    ) -> None:
        """Which names cannot be: `core/catalog/test_naming.py`."""
        before = sorted(dev.root.rglob("*.dump"))
        said = dev.ledgerflow("backup", f"--file={file}")
        assert said.code == 2
        assert reason in said.errors
        assert sorted(dev.root.rglob("*.dump")) == before

    def test_a_name_of_ones_own_is_honoured_inside_the_environments_folder(
        self, dev: Shell, named: CommandResult
    ) -> None:
        assert dev.file("dev", named).name == "before_migration.dump"

    def test_what_is_examined_lies_in_the_environments_folder(self, dev: Shell, made: CommandResult) -> None:
        copy = dev.root / "copy.dump"
        copy.write_bytes(dev.file("dev", made).read_bytes())
        said = dev.ledgerflow("verify", "--file", str(copy))
        assert said.code == 2
        assert "is not in dev's folder" in said.errors
        assert dev.ledgerflow("verify", "--file", made.json["file"]).code == 0


class TestWords:
    def test_a_hint_can_be_typed_as_it_stands(self, root: Path) -> None:
        said = Shell(root).ledgerflow("verify", "--json", LEDGER_ENV="test")
        assert said.json["error"]["hint"] == "LEDGER_ENV=test make status lists the backups."
        assert "hint: LEDGER_ENV=test make status" in said.errors

    def test_what_was_not_drilled_is_said_to_be_not_proven(self, dev: Shell, made: CommandResult) -> None:
        """Through a pipe, which gets no progress and no colours either."""
        said = dev.ledgerflow("backup", DRILL="0", TERM="xterm-256color")
        assert said.code == 0
        assert "NOT PROVEN: known to be readable" in said.out
        assert re.search(r"make restore-test FILE=ledgerflow_dev_\S+\.dump", said.out)
        assert "ok   integrity" in said.out
        assert not CONTROL.search(said.all)
        assert not CONTROL.search(made.all)

    def test_a_terminal_gets_a_progress_bar_that_is_gone_afterwards(
        self, dev: Shell, made: CommandResult
    ) -> None:
        said = dev.at_a_terminal("backup", columns=80)
        assert said.code == 0, said.out
        plain = WORDS.sub("", said.out)
        for phase in ("preflight", "seal", "dump", "restore", "compare"):
            assert re.search(rf"{phase} +[━╸╺]+", plain), phase
        size = r"\d[\d.]* [KM]?B"
        assert re.search(rf"dump [━╸╺ ]+\d+ % {size} of about {size}, ", plain)
        screen = Screen(80).show(said.out)
        assert not re.search("[━╸╺]", screen.text)
        assert "PROVEN: valid" in screen.text
        assert "\x1b[1;32m" in said.out
        assert "\x1b[?25l" not in said.out, "the cursor was hidden"

    @pytest.mark.parametrize(("columns", "widest"), [(80, 80), (100, 100), (160, 100)])
    def test_status_fits_the_terminal_and_is_the_same_without_colours(
        self, root: Path, columns: int, widest: int
    ) -> None:
        """Nothing is told by a colour alone."""
        backup_tables.add_days(builders.env(root), date(2026, 11, 20), 30)
        prod, bad = (
            builders.env(root, environment=Environment.PROD),
            datetime(2026, 11, 21, 2, 30, tzinfo=UTC),
        )
        backup_tables.add_days(prod, date(2026, 11, 20), 30)
        backup_tables.add_backup(prod, bad, proven_at=bad, verdict=Verdict.BAD)
        shell = Shell(root)
        for words in (["status"], ["status", "--env", "prod"]):
            shown = Screen(columns).show(shell.at_a_terminal(*words, columns=columns).out)
            plain = Screen(columns).show(shell.at_a_terminal(*words, columns=columns, NO_COLOR="1").out)
            assert FIGURES.sub("", shown.text) == FIGURES.sub("", plain.text)
            assert max(map(len, shown.text.splitlines())) <= widest
            assert "CRITICAL: " in shown.text
            assert "ledgerflow_prod_20261120_0230.dump" in shown.text or len(words) == 1

    def test_ctrl_c_leaves_the_terminal_whole(self, dev: Shell, made: CommandResult) -> None:
        before = sorted(dev.backups.rglob("*"))
        said = dev.at_a_terminal("backup", interrupt_at="seal", columns=100)
        assert said.code == 1
        screen = Screen(100).show(said.out).text
        assert not re.search("[━╸╺]", screen)
        assert "error: Interrupted." in screen
        assert "was kept. Run it again." in screen
        assert said.out.count("\x1b[?25l") == said.out.count("\x1b[?25h")
        assert sorted(dev.backups.rglob("*")) == before

    @pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"CI": "true"}])
    def test_where_nothing_can_be_drawn_anew_there_is_no_bar(
        self, root: Path, variables: dict[str, str]
    ) -> None:
        backup_tables.add_days(builders.env(root), date(2026, 11, 20), 30)
        said = Shell(root, {"LEDGER_ENV": "dev", **variables}).at_a_terminal("status")
        assert "2026-11-20" in said.out
        assert "backups read" not in said.out
        assert not re.search(r"\x1b\[\??\d*[KAlh]", said.out)

    def test_a_first_look_at_many_backups_counts_them_at_a_terminal(self, root: Path) -> None:
        backup_tables.add_days(builders.env(root), date(2026, 11, 20), 30)
        said = Shell(root).at_a_terminal("status", LEDGER_ENV="dev")
        assert "1 of 30 backups read" in WORDS.sub("", said.out)
        assert "backups read" not in Screen(80).show(said.out).text

    def test_no_color_is_heeded(self, dev: Shell, made: CommandResult) -> None:
        said = dev.at_a_terminal("status", NO_COLOR="1")
        assert not COLOUR.search(said.out)
        assert COLOUR.search(dev.at_a_terminal("status").out)

    def test_colours_in_a_pipe_are_for_who_forces_them(self, dev: Shell, made: CommandResult) -> None:
        assert COLOUR.search(dev.ledgerflow("status", FORCE_COLOR="1", TERM="xterm").out)
        assert not CONTROL.search(dev.ledgerflow("status", FORCE_COLOR="1", NO_COLOR="1", TERM="dumb").out)

    def test_the_sample_is_named_every_time_and_in_prod_it_is_a_warning(
        self, dev: Shell, made: CommandResult
    ) -> None:
        assert "SAMPLE DATA: no URL is set for dev" in dev.ledgerflow("status").out
        said = dev.ledgerflow("backup", "--json", LEDGER_ENV="prod")
        assert said.code == 0, said.all
        assert said.json["proven"], "a warning does not keep a backup from being proven"
        [check] = [check for check in said.json["checks"] if check["name"] == "source_is_real"]
        assert (check["passed"], check["severity"]) == (False, "WARN")
        assert "LEDGER_PROD_DATABASE_URL" in check["hint"]
        assert "SAMPLE DATA: no URL is set for prod" in said.errors

    def test_status_tells_what_is_proven_and_cuts_no_name(self, dev: Shell, made: CommandResult) -> None:
        said = dev.ledgerflow("status")
        assert said.code == 0
        assert re.search(
            r"dev: newest proven backup is .+ old, restored in [\d.]+ s: ledgerflow_dev_", said.out
        )
        assert Path(made.json["file"]).name in said.out

    def test_doctor_finds_all_in_order_and_names_a_variable_that_means_nothing(
        self, dev: Shell, made: CommandResult
    ) -> None:
        said = dev.ledgerflow("doctor", "--json", LEDGER_BACKUP_ROT="x")
        assert said.code == 0, said.all
        checks = said.json["checks"]
        assert {"settings", "account", "tools", "dev folder", "dev source"} <= names(checks)
        # what other tests leave on the machine is not this one's
        told = [
            check for check in checks if not check["passed"] and check["cause"] not in ("drill", "server")
        ]
        [unknown] = told
        assert "LEDGER_BACKUP_ROT" in unknown["message"]
        assert "LEDGER_BACKUP_ROOT" in unknown["hint"]

    def test_without_a_command_it_lists_them(self, dev: Shell) -> None:
        said = dev.ledgerflow()
        assert said.code == 2
        assert "Usage: ledgerflow" in said.errors
        assert "error:" not in said.errors

    def test_help_and_refusals_wait_for_no_dagster(self, dev: Shell) -> None:
        for arguments in (["--help"], ["backup", "--help"], ["journal"], ["metrics"]):
            said = dev.ledgerflow(*arguments, PYTHONPROFILEIMPORTTIME="1")
            assert said.code == 0
            assert not re.search(r"\| +(dagster|pandas|altair|sqlalchemy)\b", said.errors)
        said = dev.ledgerflow("status", PYTHONPROFILEIMPORTTIME="1")
        assert said.code == 0
        assert not re.search(r"\| +(dagster|altair|sqlalchemy)\b", said.errors), "it looks for anomalies"
        said = dev.ledgerflow("backup", LEDGER_ENV="PROD", PYTHONPROFILEIMPORTTIME="1")
        assert said.code == 2
        assert not re.search(r"\| +dagster\b", said.errors)


class TestDagsterStorage:
    def test_another_database_is_used_when_it_is_named(
        self, elsewhere: Shell, embedded: EmbeddedPostgres
    ) -> None:
        said = elsewhere.ledgerflow("backup", "--json", WHY="to see where it is kept")
        assert said.code == 0, said.all
        assert said.json["sample"] is False
        assert "SAMPLE" not in said.all
        url = elsewhere.variables["LEDGER_DAGSTER_DATABASE_URL"]
        with Database.from_address(url, "test").connect() as connection:
            [(run, status)] = connection.execute("SELECT run_id, status FROM public.runs").fetchall()
            tags = dict(connection.execute("SELECT key, value FROM public.run_tags").fetchall())
        assert (run, status) == (said.json["run_id"], "SUCCESS")
        assert tags["ledgerflow/why"] == "to see where it is kept"
        assert tags["dagster/partition"] == said.json["backup_day"]
        assert not (elsewhere.state / "postgres" / "embedded").exists(), "no server of our own was needed"

    def test_doctor_says_where_it_is(self, elsewhere: Shell) -> None:
        said = elsewhere.ledgerflow("doctor")
        assert said.code == 0
        assert re.search(r"storage +Dagster's records are in 127\.0\.0\.1:\d+/dagster_", said.out)


def test_who_interrupts_before_it_has_begun_is_answered_as_well(root: Path) -> None:
    """Its commands are still being imported: Ctrl-C arrives while their first library is loaded."""
    early = root / "early"
    early.mkdir()
    (early / "click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    said = Shell(root, {"LEDGER_ENV": "dev", "PYTHONPATH": str(early)}).ledgerflow("backup", JSON="1")
    assert (said.code, said.errors) == (
        1,
        "error: Interrupted.\nhint: Nothing had begun. Run it again.\n",
    )
    assert said.json["error"]["message"] == "Interrupted."
    assert (said.json["environment"], said.json["exit_code"]) == ("dev", 1)
    assert not Shell(root).backups.exists()


_AT_THE_END = """
import atexit, gc, sys
from ledgerflow_ops.cli import main
sys.argv = ["ledgerflow", *sys.argv[1:]]
atexit.register(lambda: print("frozen", gc.get_freeze_count() > 0))
main()
"""


@pytest.mark.parametrize(("options", "code"), [(["--version"], 0), (["status"], 2)])
def test_the_interpreter_ends_without_looking_through_all_objects(
    root: Path, options: list[str], code: int
) -> None:
    """Which took a third as long as a whole backup, however the command ends."""
    ended = Shell(root, {"LEDGER_ENV": "nonsense"}).run([sys.executable, "-c", _AT_THE_END, *options])
    assert (ended.code, ended.out.splitlines()[-1]) == (code, "frozen True")


class TestIdentity:
    def test_it_is_taken_on_purpose_and_reported(self, elsewhere: Shell) -> None:
        first = elsewhere.ledgerflow("identity")
        assert first.code == 3
        assert "dev has no database yet" in first.errors
        assert elsewhere.make("-s", "identity", "ACCEPT=1").code == 0
        told = elsewhere.ledgerflow("identity", "--json")
        assert told.code == 0
        assert re.fullmatch(r"database 'books_\w+' of server \d+", told.json["identity"])
