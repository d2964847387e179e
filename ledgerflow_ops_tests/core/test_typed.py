"""A hint's commands can be typed as they stand."""

import ast
import re
from collections.abc import Iterator

import pytest

from ledgerflow_ops.core.typed import typed, typed_all
from ledgerflow_ops.places import PROJECT


@pytest.mark.parametrize(
    ("hint", "found"),
    [
        ("Prove it: make restore-test FILE=a.dump", "Prove it: LEDGER_ENV=dev make restore-test FILE=a.dump"),
        ("make status lists the backups.", "LEDGER_ENV=dev make status lists the backups."),
        ("Take another: make backup.", "Take another: LEDGER_ENV=dev make backup."),
        ("If it is right: CONFIRM=dev make rotate", "If it is right: LEDGER_ENV=dev CONFIRM=dev make rotate"),
        ("make pin; make unpin FILE=…", "LEDGER_ENV=dev make pin; LEDGER_ENV=dev make unpin FILE=…"),
    ],
)
def test_a_command_on_one_environment_says_which(hint: str, found: str) -> None:
    assert typed(hint, "dev") == found
    assert typed(found, "prod") == found, "it says so already"
    assert typed(hint, "") == hint


@pytest.mark.parametrize(
    "hint",
    [
        'REASON="year-end closing" LEDGER_ENV=prod make pin FILE=latest',
        "LEDGER_ENV=prod CONFIRM=prod make restore FILE=latest",
        "LEDGER_ENV=dev|test|prod make status lists an environment's backups.",
        "make doctor tries every connection; make down; make help; make report; make backup-all",
    ],
)
def test_what_needs_none_or_has_one_stays_as_it_is(hint: str) -> None:
    assert typed(hint, "dev") == hint


def test_an_object_that_names_its_environment_has_its_own() -> None:
    found = typed_all(
        {"days": [{"hint": "make backup"}, {"environment": "prod", "hint": "make backup"}]}, "dev"
    )
    assert [one["hint"] for one in found["days"]] == [
        "LEDGER_ENV=dev make backup",
        "LEDGER_ENV=prod make backup",
    ]
    assert typed_all({"environment": None, "hint": "make backup"}, "") == {
        "environment": None,
        "hint": "make backup",
    }


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
