"""Words completed by the real shells, with the script that `ledgerflow completion` prints."""

import os
import shlex
from datetime import date
from pathlib import Path

import pytest

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops_tests import builders, needs
from ledgerflow_ops_tests.e2e.commands import PROGRAM, Shell
from ledgerflow_ops_tests.fakes import backup_tables

DEV = ["ledgerflow_dev_20261120_0230.dump", "ledgerflow_dev_20261119_0230.dump"]
PROD = ["ledgerflow_prod_20261120_0230.dump"]
LATEST = ["latest", "latest-proven"]

CASES = [
    (["restore-"], ["restore-force", "restore-test"]),
    (["status", "--env", ""], ["dev", "test", "prod"]),
    (["--env", "p"], ["prod"]),
    (["rotate", "--dr"], ["--dry-run"]),
    (["verify", "--env", "dev", ""], [*LATEST, *DEV]),
    (["verify", "--env", "dev", "--file", "ledger"], DEV),
    (["restore", "--env", "dev", "--dry-run", "ledger"], DEV),
    (["restore", "--env", "dev", "--from-env", "prod", "ledger"], PROD),
    (["pin", ""], LATEST),
    (["backup", "--env", "dev", "led"], []),
    (["verify", "--env", "nowhere", "led"], []),
]

BASH = """
source <(ledgerflow completion bash)
offer() {
    COMP_WORDS=(ledgerflow "$@")
    COMP_CWORD=$# COMPREPLY=()
    _ledgerflow_completion ledgerflow "${COMP_WORDS[$COMP_CWORD]}"
    printf '%s\\n' "${COMPREPLY[@]}"
}
"""
ZSH = """
autoload -Uz compinit && compinit -u
compadd() { print -rl -- "${(@P)argv[-1]}" }
_describe() { local -a found=("${(@P)argv[3]}"); print -rl -- "${found[@]%%:*}" }
source <(ledgerflow completion zsh)
offer() {
    words=(ledgerflow "$@")
    CURRENT=$#words
    _ledgerflow_completion
}
"""
END = "-- end of an offer --"


@pytest.fixture(scope="module")
def shell(session_root: Path) -> Shell:
    """A shell with two backups of dev and one of prod, and the program on its PATH."""
    root = session_root / "completion"
    backup_tables.add_days(builders.env(root), date(2026, 11, 20), 2)
    backup_tables.add_days(builders.env(root, environment=Environment.PROD), date(2026, 11, 20), 1)
    return Shell(root, {"PATH": f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"})


def completed(shell: Shell, program: list[str], script: str) -> list[list[str]]:
    """What one shell offers in each case. It reads the script once: that takes as long as an offer."""
    typed = [f"offer {' '.join(map(shlex.quote, words))}; echo {shlex.quote(END)}" for words, _ in CASES]
    said = shell.run([*program, "-c", "\n".join([script, *typed])])
    assert (said.code, said.errors) == (0, "")
    return [offer.split() for offer in said.out.split(END)[:-1]]


@pytest.fixture(scope="module")
def of_bash(shell: Shell) -> list[list[str]]:
    return completed(shell, [str(needs.program("bash")), "--norc"], BASH)


@pytest.fixture(scope="module")
def of_zsh(shell: Shell) -> list[list[str]]:
    """`compadd` and `_describe`, which show words in an editor's line, print them instead."""
    return completed(shell, [str(needs.program("zsh")), "-f"], ZSH)


@pytest.mark.parametrize("case", range(len(CASES)), ids=[" ".join(words) for words, _ in CASES])
def test_bash_completes_commands_options_environments_and_backups(
    of_bash: list[list[str]], case: int
) -> None:
    assert of_bash[case] == CASES[case][1]


@pytest.mark.parametrize("case", range(len(CASES)), ids=[" ".join(words) for words, _ in CASES])
def test_zsh_completes_the_same(of_zsh: list[list[str]], case: int) -> None:
    assert of_zsh[case] == CASES[case][1]


def test_a_shell_that_is_not_known_is_refused(shell: Shell) -> None:
    said = shell.ledgerflow("completion", "cmd")
    assert said.code == 2
    assert "'cmd' is not one of 'bash', 'zsh'" in said.errors
    assert "hint: ledgerflow completion --help describes its options." in said.errors


def test_settings_that_are_wrong_do_not_disturb_what_is_typed(shell: Shell) -> None:
    told = {"_LEDGERFLOW_COMPLETE": "bash_complete", "COMP_WORDS": "ledgerflow verify ", "COMP_CWORD": "2"}
    said = shell.ledgerflow(LEDGER_ENV="dev", LEDGER_DEV_RETENTION_DAYS="-1", **told)
    assert said.errors == ""
    assert said.out.split() == [f"plain,{word}" for word in LATEST]
