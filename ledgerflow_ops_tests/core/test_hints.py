"""A hint's commands can be typed as they stand: make knows them, and they name their environment."""

import ast
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.hints import NO_HINT, ON_ONE, Hint, Make, command, joined, make
from ledgerflow_ops.core.models import StoredHint
from ledgerflow_ops.places import PROJECT

_MAKEFILE = (PROJECT / "Makefile").read_text()
_TARGET = re.compile(r"^([a-z][a-z-]*):[^#\n]*## ([^\n]*)$", re.MULTILINE)
_SAME_AS = {"restore-force": "restore"}
"""The Makefile says `as restore` of what it takes."""
_PARTLY_ONE = {"status", "doctor", "journal", "report", "metrics", "safety-check", "storage"}
"""Targets that look at all environments, or at the one that is named."""


def _variables() -> dict[str, set[str]]:
    """Each target of the Makefile with the variables that its line of help names."""
    takes = {name: set(re.findall(r"\b([A-Z][A-Z_]+)=", text)) for name, text in _TARGET.findall(_MAKEFILE)}
    for name, other in _SAME_AS.items():
        takes[name] |= takes[other]
    return takes


class TestRendering:
    def test_a_command_on_one_environment_gets_its_name_at_the_border(self) -> None:
        hint = Hint("Prove it: ", make("restore-test", FILE="a.dump"), "; ", make("doctor"), " says more.")
        assert str(hint) == "Prove it: make restore-test FILE=a.dump; make doctor says more."
        named = "Prove it: LEDGER_ENV=dev make restore-test FILE=a.dump; make doctor says more."
        assert str(hint.within(Environment.DEV)) == named
        assert str(hint.within("dev").within("prod")) == named, "it has one already"
        assert hint.within(None) == hint.within("") == hint

    def test_one_that_names_its_environment_keeps_it(self) -> None:
        assert str(Hint(make("backup", "prod")).within("dev")) == "LEDGER_ENV=prod make backup"

    @pytest.mark.parametrize("value", ["year-end closing", "it's $(date)", "a;b", "", "kept\nwhole", "ä"])
    def test_values_reach_a_shell_as_they_are(self, value: str) -> None:
        line = str(make("pin", "dev", FILE=value))
        assert shlex.split(line) == ["LEDGER_ENV=dev", "make", "pin", f"FILE={value}"]
        printed = subprocess.run(
            ["sh", "-c", f"{command('printf', '%s', value)}"], capture_output=True, check=True
        )
        assert printed.stdout == value.encode()

    def test_without_a_makefile_the_program_is_called(self, monkeypatch: pytest.MonkeyPatch) -> None:
        hint = Hint(make("verify", FILE="a b.dump"), "; ", make("doctor")).within("dev")
        assert str(hint) == "LEDGER_ENV=dev make verify FILE='a b.dump'; make doctor"
        monkeypatch.setattr(Make, "by_program", True)
        assert str(hint) == "LEDGER_ENV=dev FILE='a b.dump' ledgerflow verify; ledgerflow doctor"

    def test_output_goes_into_a_file(self, tmp_path: Path) -> None:
        line = str(command("echo", "secret", into=tmp_path / "a file"))
        subprocess.run(["sh", "-c", line], check=True)
        assert (tmp_path / "a file").read_text() == "secret\n"

    def test_hints_are_put_together_without_losing_their_commands(self) -> None:
        inner = Hint("Free room; then ", make("backup"))
        outer = Hint("Nothing was kept. ", inner)
        assert outer.commands == (make("backup"),)
        assert str(outer.within("test")) == "Nothing was kept. Free room; then LEDGER_ENV=test make backup"
        assert joined([inner, NO_HINT, inner, Hint("Or wait.")], "\n") == Hint(inner, "\n", "Or wait.")
        assert not joined([])
        assert "make backup" in outer

    def test_two_that_read_the_same_are_equal(self) -> None:
        assert Hint(make("up")) == Hint("make up")
        assert len({Hint(make("up")), Hint("make ", "up")}) == 1
        assert bool(NO_HINT) is bool(Hint("")) is False

    def test_in_a_record_it_is_the_string_that_it_renders_to(self) -> None:
        kept = TypeAdapter[Hint](StoredHint)
        hint = Hint("Then: ", make("backup", "dev"))
        assert kept.dump_json(hint) == b'"Then: LEDGER_ENV=dev make backup"'
        read = kept.validate_json(kept.dump_json(hint))
        assert (read, read.commands) == (hint, ())

    def test_a_name_that_is_no_text_is_written_out(self) -> None:
        hint = Hint(make("verify", FILE="a\udcff.dump"))
        assert "udcff" in str(hint.escaped()).encode().decode()
        assert Hint("plain").escaped().parts == ("plain",)


def _calls(tree: ast.Module, name: str) -> Iterator[ast.Call]:
    """The calls of what the module imports as `name` from core.hints."""
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "ledgerflow_ops.core.hints"
        for alias in node.names
    }
    names = {f"hints.{name}"} | (imported & {name})
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in names:
            yield node


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((PROJECT / "ledgerflow_ops").rglob("*.py")):
        yield path.relative_to(PROJECT).as_posix(), ast.parse(path.read_text())


class TestEveryHint:
    """Of the whole code base: each `make(…)`, each `Hint(…)`."""

    def test_its_commands_are_targets_with_the_variables_that_they_take(self) -> None:
        takes, wrong, seen = _variables(), [], 0
        for file, tree in _modules():
            for call in _calls(tree, "make"):
                target = call.args[0]
                seen += 1
                if not (isinstance(target, ast.Constant) and target.value in takes):
                    wrong.append(f"{file}:{call.lineno}: {ast.unparse(target)} is no target of the Makefile")
                    continue
                unknown = {str(one.arg) for one in call.keywords} - takes[target.value]
                wrong += [f"{file}:{call.lineno}: {target.value} takes no {name}" for name in unknown]
                if len(call.args) > 1 and target.value not in ON_ONE | _PARTLY_ONE:
                    wrong.append(f"{file}:{call.lineno}: {target.value} acts on no single environment")
        assert wrong == []
        assert seen > 100

    def test_its_text_holds_no_command_of_ours(self) -> None:
        """What is written as text would get no environment and no quotes."""
        ours = re.compile(rf"\bmake (?:{'|'.join(_variables())})\b|\bLEDGER_ENV=\S+ make\b")
        wrong = [
            f"{file}:{call.lineno}: {text.value!r}"
            for file, tree in _modules()
            for call in _calls(tree, "Hint")
            for part in call.args
            if not isinstance(part, ast.Call)
            for text in ast.walk(part)
            if isinstance(text, ast.Constant) and isinstance(text.value, str) and ours.search(text.value)
        ]
        assert wrong == []


_OTHERS = {
    *("brctl", "chmod", "date", "df", "docker", "kill", "ledger_docker", "ledgerflow", "ln", "ls", "lsof"),
    *("mkdir", "openssl", "pip", "rm", "systemctl"),
}
"""The programs of others that hints may name; each is on the machine that the hint is about."""
_BUILT = {"self.exec_command", "self.compose"}
"""Methods that build the words of a command: both begin with docker."""
_BARE = re.compile(
    r"\b(?:chmod|brctl|chown|lsof|mkdir|openssl|systemctl) [-\w/]"
    r"|\bdocker (?:-|compose |volume |system |context |cp |info\b|ps\b|run |rm )"
    r"|\bledger_docker -|\b(?:df|ls|rm|ln|kill) -"
)
_GAP = re.compile(r"…(?! and)|<[a-z]|/path/to|\b(?:NAME|USER|HOST)\b(?!=)|\b[A-Z_]{3,}=$")
"""A gap for the reader to fill."""
_MAY_HAVE_GAPS = {
    "Write it as apprise does: ntfy://host/topic, mailto://…, slack://…; its wiki has them all.",
}
"""The forms of a setting's value."""


def _words(part: ast.expr) -> Iterator[str]:
    """The texts of a hint's part, with {} for what is put into them."""
    if isinstance(part, ast.JoinedStr):
        yield "".join(str(one.value) if isinstance(one, ast.Constant) else "{}" for one in part.values)
    elif isinstance(part, ast.Constant) and isinstance(part.value, str):
        yield part.value
    elif not isinstance(part, ast.Call):
        for inner in ast.iter_child_nodes(part):
            if isinstance(inner, ast.expr):
                yield from _words(inner)


class TestOtherCommands:
    """Commands of other programs, and what is left in words."""

    def test_they_are_of_a_short_list_and_their_words_have_no_gaps(self) -> None:
        wrong, seen = [], 0
        for file, tree in _modules():
            for call in _calls(tree, "command"):
                seen += 1
                first, *others = call.args
                built = isinstance(first, ast.Starred) and isinstance(first.value, ast.Call)
                known = built and ast.unparse(first.value.func) in _BUILT  # type: ignore[attr-defined]
                known = known or (isinstance(first, ast.Constant) and first.value in _OTHERS)
                if not known:
                    wrong.append(f"{file}:{call.lineno}: {ast.unparse(first)} is not of the list")
                words = [word.value for word in others if isinstance(word, ast.Constant)]
                wrong += [
                    f"{file}:{call.lineno}: {word!r}" for word in words if re.search(r"[<>…*]| ", str(word))
                ]
        assert wrong == []
        assert seen > 20

    def test_none_is_written_as_text_and_no_text_has_a_gap(self) -> None:
        wrong = [
            f"{file}:{call.lineno}: {text!r}"
            for file, tree in _modules()
            for call in _calls(tree, "Hint")
            for part in call.args
            for text in _words(part)
            if _BARE.search(text) or (_GAP.search(text) and text not in _MAY_HAVE_GAPS)
        ]
        assert wrong == []

    @pytest.mark.parametrize(
        ("text", "wrong"),
        [
            ("chmod go-rwx the root of all backups", True),
            ("Keep it: docker compose -p x", True),
            ("ledger_docker --explain shows it", True),
            ("Run this as a user who may use Docker (on Linux: the group docker).", False),
            ("Write it as docker's own help shows it.", False),
        ],
    )
    def test_a_command_as_text_is_told_from_words(self, text: str, wrong: bool) -> None:
        assert bool(_BARE.search(text)) is wrong

    @pytest.mark.parametrize(
        ("text", "wrong"),
        [
            ("docker volume rm NAME", True), ("Give it: NAME=…", True), ("chmod 600 <file>", True),
            ("Set another file by TEXTFILE=", True), ("UNTIL=90d", False), ("See /path/to/it", True),
            ("Restore it with NAME=x", False),
        ],
    )  # fmt: skip
    def test_a_gap_is_told_from_a_value(self, text: str, wrong: bool) -> None:
        assert bool(_GAP.search(text)) is wrong


def test_the_targets_on_one_environment_are_those_whose_command_asks_for_it() -> None:
    """`call.env()` refuses without LEDGER_ENV; `call.envs()` then takes all three."""
    asks = set()
    for path in (PROJECT / "ledgerflow_ops" / "commands").glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if not (isinstance(node, ast.FunctionDef) and "call.env()" in ast.unparse(node)):
                continue
            named = re.search(r"click\.command\('([a-z-]+)'", ast.unparse(node))
            asks.add(named[1] if named else node.name)
    assert asks - {"_restore"} | {"restore", "restore-force"} == ON_ONE - {"status"}
    assert set(_variables()) >= ON_ONE


_TARGETS = "|".join(re.findall(r"^([a-z][a-z-]*):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
_VARIABLE = r"[A-Z][A-Z_]+="
_UNTYPABLE = re.compile(
    rf"(?:\bmake (?:{_TARGETS})(?![\w-])|\b{_VARIABLE}(?:\{{\}}|[^\s{{}}\"';,.]+))"
    rf"(?: {_VARIABLE}(?:\{{\}}|\w+))*[.,:!?](?=\s|$)"
    rf"|\bmake (?:{_TARGETS})(?![\w-])[^;\n]*?\b{_VARIABLE}(?:…|N\b|<|\s|$)"
)
"""A command directly followed by punctuation, which make would take for part of it, or with a gap to fill."""
_NOT_ORDERED = {"FROM={} is after TO={}."}


def _texts(source: str) -> Iterator[str]:
    """Every string of a module but its docstrings, with {} for what is put into it."""
    inner: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            inner.add(id(node.value))
        elif isinstance(node, ast.JoinedStr):
            inner |= {id(part) for part in node.values}
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            yield node.value


def test_no_message_has_a_command_that_cannot_be_typed_as_it_stands() -> None:
    files = [*(PROJECT / "ledgerflow_ops").rglob("*.py")]
    found = [
        f"{file.relative_to(PROJECT)}: {text!r}"
        for file in files
        for text in _texts(file.read_text())
        if _UNTYPABLE.search(text) and text not in _NOT_ORDERED
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("Fetch it: make tools VERSION=17, and take tools_dir out.", True),
        ("Take another backup: make backup.", True),
        ("make status: it lists them", True),
        ("say CONFIRM={}.", True),
        ("make verify FILE=… says more.", True),
        ("make restore-test FILE= of it says more.", True),
        ("Take another backup: make backup", False),
        ("make unpin FILE={}; then make pin FILE={} REASON={}", False),
        ("Fix what that names (make status); make rollback makes it live.", False),
    ],
)
def test_what_cannot_be_typed_is_told_from_what_can(text: str, wrong: bool) -> None:
    assert bool(_UNTYPABLE.search(text)) is wrong
