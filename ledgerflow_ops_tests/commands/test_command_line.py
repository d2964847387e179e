"""The command line as people type it: FILE, --env, flags, help, and hints for misspelt words."""

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from ledgerflow_ops.commands.command_line import Command
from ledgerflow_ops.commands.program import program
from ledgerflow_ops.core.errors import SettingsError
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.e2e.commands import Shell
from ledgerflow_ops_tests.fakes import backup_tables

LATEST = "ledgerflow_dev_20261120_0230.dump"
COMMANDS = sorted(program.commands)
ON_ONE = {
    *("backup", "verify", "restore-test", "backfill", "restore", "restore-force", "rollback", "recover"),
    *("discard", "rotate", "pin", "unpin", "quarantine", "archive", "repair", "rekey", "protect", "identity"),
}
"""The commands that act on one environment."""


@pytest.fixture
def shell(root: Path) -> Shell:
    """A shell whose dev has a backup of 19 and one of 20 November; no environment is named."""
    backup_tables.add_days(builders.env(root), date(2026, 11, 20), 2)
    return Shell(root)


def pinned(shell: Shell) -> set[str]:
    return {path.name.removesuffix(".pin.json") for path in (shell.backups / "dev").glob("*.pin.json")}


class TestFile:
    @pytest.mark.parametrize(
        ("words", "variables"),
        [
            (["latest"], {}),
            ([LATEST], {}),
            (["2026-11-20"], {}),
            (["--file", LATEST], {}),
            (["--file=latest"], {}),
            ([], {"FILE": LATEST}),
            ([LATEST], {"FILE": "ledgerflow_dev_20261119_0230.dump"}),
            (["latest", "--file", "latest"], {}),
        ],
    )
    def test_it_is_a_word_an_option_or_a_variable_and_the_word_wins(
        self, shell: Shell, words: list[str], variables: dict[str, str]
    ) -> None:
        said = shell.ledgerflow("pin", *words, "--reason", "x", LEDGER_ENV="dev", **variables)
        assert said.code == 0, said.all
        assert pinned(shell) == {LATEST.removesuffix(".dump")}

    def test_two_that_differ_are_refused(self, shell: Shell) -> None:
        said = shell.ledgerflow("pin", LATEST, "--file", "latest", "--reason", "x", LEDGER_ENV="dev")
        assert said.code == 2
        assert f"FILE is given twice: {LATEST} and latest." in said.errors
        assert "hint: ledgerflow pin --help describes its options." in said.errors
        assert pinned(shell) == set()

    def test_a_second_word_is_refused(self, shell: Shell) -> None:
        said = shell.ledgerflow("unpin", "latest", "oldest", LEDGER_ENV="dev")
        assert said.code == 2
        assert "unexpected extra argument (oldest)" in said.errors

    def test_a_name_of_a_new_backup_is_checked_like_the_variable(self, shell: Shell) -> None:
        said = shell.ledgerflow("backup", "../escape.dump", "--env", "dev")
        assert (said.code, said.out) == (2, "")
        assert "FILE='../escape.dump' is not a plain name" in said.errors


class TestEnvironment:
    def test_it_names_the_environment_and_wins_over_the_variable(self, shell: Shell) -> None:
        for words, variables in (
            (["status", "--env", "dev"], {}),
            (["--env", "dev", "status"], {}),
            (["--env=dev", "status", "--env=dev"], {"LEDGER_ENV": "prod"}),
            (["status", "--env", "dev"], {"LEDGER_ENV": "nowhere"}),
        ):
            found = shell.ledgerflow(*words, "--json", **variables).json["environments"]
            assert [entry["environment"] for entry in found] == ["dev"]

    @pytest.mark.parametrize("value", ["PROD", "preprod", "dev "])
    def test_only_the_three_names_are_taken(self, shell: Shell, value: str) -> None:
        said = shell.ledgerflow("backup", "--env", value)
        assert (said.code, said.out) == (2, "")
        assert f"--env={value!r} is not an environment" in said.errors
        assert "dev, test, prod" in said.errors
        assert not shell.state.exists()

    def test_an_empty_one_is_none(self, shell: Shell) -> None:
        said = shell.ledgerflow("backup", "--env", "")
        assert said.code == 2
        assert "there is no default environment" in said.errors

    def test_two_that_differ_are_refused(self, shell: Shell) -> None:
        said = shell.ledgerflow("--env", "dev", "rotate", "--env", "prod", "--json")
        assert said.code == 2
        assert said.json["error"]["message"] == "--env is given twice: dev and prod."

    def test_hints_name_it(self, shell: Shell) -> None:
        said = shell.ledgerflow("verify", "--env", "test")
        assert "hint: LEDGER_ENV=test make status lists the backups." in said.errors

    @pytest.mark.parametrize("name", COMMANDS)
    def test_who_acts_on_one_or_asks_about_one_has_it(self, name: str) -> None:
        known = {option for param in program.commands[name].params for option in param.opts}
        asked = {"status", "journal", "doctor", "safety-check", "storage", "audit", "keys", "recovery-kit"}
        assert ("--env" in known) == (name in ON_ONE | asked)


class TestFlags:
    @pytest.mark.parametrize(
        ("words", "dry"),
        [
            (["--dry-run"], True),
            (["--dry-run", "1"], True),
            (["--dry-run=yes"], True),
            (["--dry-run", "0"], False),
            (["--dry-run=0"], False),
            ([], False),
        ],
    )
    def test_a_flag_needs_no_value_and_the_older_one_works(
        self, shell: Shell, words: list[str], dry: bool
    ) -> None:
        with context("restore", *words, "latest") as found:
            assert found.params["dry_run"] is dry
            assert found.params["file"] == "latest"

    def test_the_word_after_a_flag_is_not_its_value(self, shell: Shell) -> None:
        said = shell.ledgerflow("rotate", "--dry-run", "none.dump", "--env", "dev")
        assert said.code == 2
        assert "unexpected extra argument (none.dump)" in said.errors

    def test_the_variable_gives_way_to_the_flag(self, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DRILL", "1")
        with context("backup", "--no-drill", "x.dump") as found:
            assert found.params["drill"] is False
        monkeypatch.setenv("DRILL", "0")
        with context("backup", "--drill", "1") as found:
            assert (found.params["drill"], found.params["file"]) == (True, None)
        with context("backup") as found:
            assert found.params["drill"] is False

    def test_only_what_is_on_by_default_can_be_turned_off(self, shell: Shell) -> None:
        said = shell.ledgerflow("rotate", "--no-dry-run", "--env", "dev")
        assert said.code == 2
        assert "No such option '--no-dry-run'." in said.errors

    def test_what_is_neither_is_refused(self) -> None:
        with (
            pytest.raises(SettingsError, match="DRY_RUN='maybe' is neither 1 nor 0"),
            context("rotate", "--dry-run=maybe"),
        ):
            pass

    def test_after_two_dashes_there_are_words_only(self) -> None:
        with context("verify", "--", "--json") as found:
            assert (found.params["file"], found.params["json"]) == ("--json", False)

    def test_a_command_without_dry_run_takes_no_such_flag(self, shell: Shell) -> None:
        said = shell.ledgerflow("discard", "--dry-run", "--env", "dev", "--name", "x")
        assert said.code == 2
        assert "No such option '--dry-run'." in said.errors


class TestNearest:
    @pytest.mark.parametrize(
        ("typed", "meant"),
        [
            ("bakup --env dev --why 'two words'", "backup --env dev --why 'two words'"),
            ("rotate --dryrun --env prod", "rotate --dry-run --env prod"),
            ("restore latest --form-env=prod --env dev", "restore latest --from-env=prod --env dev"),
            ("backup --no-dril --env dev", "backup --no-drill --env dev"),
            ("--vershion", "--version"),
            ("status --jsno", "status --json"),
        ],
    )
    def test_it_is_a_hint_that_can_be_typed(self, shell: Shell, typed: str, meant: str) -> None:
        said = shell.ledgerflow(*shlex.split(typed))
        assert (said.code, said.out) == (2, "")
        assert f"hint: Did you mean: ledgerflow {meant}\n" in said.errors

    def test_a_variable_in_front_becomes_an_option_of_it(self, shell: Shell) -> None:
        said = shell.ledgerflow("rotat", "--dry-run", LEDGER_ENV="dev")
        assert "hint: Did you mean: ledgerflow --env dev rotate --dry-run\n" in said.errors

    def test_where_nothing_is_near_help_is_named(self, shell: Shell) -> None:
        assert "hint: ledgerflow --help lists the commands.\n" in shell.ledgerflow("xyzzy").errors
        said = shell.ledgerflow("status", "--xyzzy", "--json")
        assert said.code == 2
        assert said.json["error"]["hint"] == "ledgerflow status --help describes its options."


class TestHelp:
    @pytest.mark.parametrize("name", COMMANDS)
    def test_every_command_describes_itself_its_variables_and_gives_examples(self, name: str) -> None:
        command = program.commands[name]
        assert isinstance(command, Command)
        text = command.get_help(click.Context(command, info_name=name))
        for param in command.params:
            assert param.name == "serve" or isinstance(param, click.Argument) or param.envvar
            if isinstance(param, click.Option) and param.envvar:
                assert re.search(rf"\[env var: {param.envvar}[];]", unfolded(text))
        assert re.search(rf"\nExamples:\n  ledgerflow {name}", text)
        assert "..." not in text.partition("\n")[2]
        assert max(map(len, text.splitlines())) <= 100

    @pytest.mark.parametrize("name", COMMANDS)
    def test_each_example_is_a_command_line_that_is_understood(self, name: str) -> None:
        command = program.commands[name]
        assert isinstance(command, Command)
        for example in command.examples:
            first, *words = shlex.split(example)
            assert first == name
            with context(name, *words) as found:
                assert name not in ON_ONE or os.environ["LEDGER_ENV"] in ("dev", "test", "prod")
                assert name == "completion" or found.params.get("json") in (True, False)

    def test_the_whole_lists_each_command_once_with_a_whole_sentence(self, shell: Shell) -> None:
        said = shell.ledgerflow("--help")
        assert said.code == 0
        listed = re.findall(r"^  ([a-z][a-z-]+) +[A-Z]", said.out, re.MULTILINE)
        assert sorted(listed) == COMMANDS
        assert "..." not in said.out.partition("\n")[2]
        for text in ("LEDGER_ENV", "--env dev|test|prod", "Exit codes:", "Restore:"):
            assert text in said.out
        assert max(map(len, said.out.splitlines())) <= 80, "that wide is a pipe"

    def test_the_version_is_the_installed_one(self, shell: Shell) -> None:
        said = shell.ledgerflow("--version")
        assert (said.code, said.errors) == (0, "")
        assert said.out.startswith(f"ledgerflow {version('ledgerflow-ops')} (Dagster {version('dagster')}, ")
        assert shell.make("-s", "version").out == said.out

    def test_neither_imports_what_is_slow(self, shell: Shell) -> None:
        for words in (["--help"], ["--version"], ["backup", "--help"], ["bakup"]):
            said = shell.ledgerflow(*words, PYTHONPROFILEIMPORTTIME="1")
            slow = re.findall(
                r"\| +(dagster|pandas|psycopg|altair|sqlalchemy|apprise|rich.progress)\b", said.errors
            )
            assert "ledgerflow_ops.commands.program" in said.errors
            assert slow == []


def unfolded(text: str) -> str:
    return " ".join(text.split())


@contextmanager
def context(name: str, *words: str) -> Iterator[click.Context]:
    """The context of a command line that was understood; LEDGER_ENV is as the command line sets it."""
    before = dict(os.environ)
    try:
        yield program.commands[name].make_context(name, list(words))
    finally:
        os.environ.clear()
        os.environ.update(before)
