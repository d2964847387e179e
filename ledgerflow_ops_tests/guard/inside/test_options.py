"""Options are read as PostgreSQL's own programs read them: shown on the real ones."""

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.programs.client_tools import bundled_tools
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.guard.inside import postgres, psql
from ledgerflow_ops.guard.inside.effects import Effect
from ledgerflow_ops.guard.inside.options import Unreadable, parse
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops_tests.guard.inside.surroundings import DATABASE, judged
from ledgerflow_ops_tests.hypothesis_profiles import examples

SPECS = {**postgres.OPTIONS, "psql": psql.OPTIONS}


def asked(name: str) -> str:
    return subprocess.run(
        [bundled_tools().path(name), "--help"], capture_output=True, check=True, text=True
    ).stdout


@pytest.mark.parametrize("name", SPECS)
def test_every_option_of_the_real_program_is_known(name: str) -> None:
    """By both of its names, and with a value where it takes one."""
    listed = re.findall(
        r"^ +(?:-(\S), +)?(?:--([\w-]+)(\[?=\S+)?)|^ +-([A-Za-z])()( [A-Z]+)?", asked(name), re.MULTILINE
    )
    assert len(listed) > 15
    for short, long, value, *_ in listed:
        if value.startswith("[") or long in ("help", "version"):
            continue
        for written in ((f"--{long}",) if long else ()) + ((f"-{short}",) if short else ()):
            if value:
                assert parse([written, "value"], SPECS[name]).operands == (), written
            else:
                assert parse([written, "operand"], SPECS[name]).operands == ("operand",), written


SPELLINGS = [
    ["-Atc", "select 7"],
    ["-Atcselect 7"],
    ["-At", "--command=select 7"],
    ["-At", "--command", "select 7"],
    ["-At", "--comm=select 7"],
    ["-At", "--com", "select 7"],
    ["--tuples", "--no-al", "--co=select 7"],
    ["DATABASE", "-Atc", "select 7"],
    ["-qAtXc", "select 7", "DATABASE"],
    ["-Atc", "select 7", "--", "DATABASE"],
    ["-d", "DATABASE", "-Atc", "select 7"],
    ["-dDATABASE", "-Atc", "select 7"],
    ["-At", "--dbn=DATABASE", "-c", "select 7"],
    ["-1Atc", "select 7"],
    ["-AtF", ",", "-c", "select 7"],
    ["-v", "x=1", "-Atc", "select 7"],
    ["--set=x=1", "-Atc", "select 7"],
    ["-P", "pager=off", "-Atc", "select 7"],
    ["-Atc", "-- x\nselect 7"],
    ["-Atc", "\\echo 7"],
]


@pytest.mark.parametrize("spelling", SPELLINGS, ids=" ".join)
def test_spellings_do_with_the_real_psql_what_was_read(
    spelling: list[str], embedded: EmbeddedPostgres
) -> None:
    database = embedded.sample(Environment.TEST)
    given_name = str(database.parameters["dbname"])
    args = [word.replace("DATABASE", given_name) for word in spelling]
    done = subprocess.run(
        [bundled_tools().path("psql"), *args],
        capture_output=True,
        text=True,
        env=database.variables(),
        stdin=subprocess.DEVNULL,
    )
    assert done.stdout.strip() == "7", done.stderr
    read = parse(args, psql.OPTIONS)
    assert read.values("command") == (next(word for word in _texts(args)),)
    assert psql.psql(args, DATABASE).effect is Effect.READS


def _texts(args: list[str]) -> list[str]:
    found = [re.search(r"(-- x\n)?select 7|\\echo 7", arg) for arg in args]
    return [match[0] for match in found if match]


@pytest.mark.parametrize(
    "option", ["--c=select 7", "--no", "--nosuch", "-k", "--single", "--list=x", "--field=,"]
)
def test_what_the_real_psql_rejects_is_not_read(option: str) -> None:
    done = subprocess.run(
        [bundled_tools().path("psql"), option, "-V"], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode != 0
    with pytest.raises(Unreadable):
        parse([option], psql.OPTIONS)
    assert judged(f"psql '{option}' -c 'select 1'", DATABASE).effect is Effect.DESTROYS


def test_backslashes_are_not_commands_inside_sql(database: Database, root: Path) -> None:
    r"""One -c is either SQL or one backslash command: what follows `\d` is not run."""
    done = subprocess.run(
        [
            bundled_tools().path("psql"),
            "-X",
            "-c",
            "\\echo a; create table public.made()",
            "-c",
            "\\dt public.made",
        ],
        capture_output=True,
        text=True,
        env=database.variables(),
        stdin=subprocess.DEVNULL,
    )
    assert "a; create table" in done.stdout
    assert "made" not in done.stdout.replace("create table public.made()", "")


@pytest.mark.parametrize("args", [["--list=x"], ["--c"], ["--command"], ["-c"], ["-k"], ["--=x"]])
def test_what_cannot_be_read_is_said(args: list[str]) -> None:
    with pytest.raises(Unreadable):
        parse(args, psql.OPTIONS)


@given(st.lists(st.text("-abcdf= x", max_size=6), max_size=6))
@examples(200)
def test_nothing_but_unreadable_is_raised(args: list[str]) -> None:
    try:
        read = parse(args, psql.OPTIONS)
    except Unreadable:
        return
    assert len(read.options) + len(read.operands) <= sum(len(arg) + 1 for arg in args)


@pytest.mark.parametrize("statement", ["select :x", "select :'x'", 'select 1 as :"x"'])
def test_the_real_psql_puts_no_variables_into_the_text_of_c(
    statement: str, embedded: EmbeddedPostgres
) -> None:
    database = embedded.sample(Environment.TEST)
    done = subprocess.run(
        [bundled_tools().path("psql"), "-X", "-v", "x=7", "-Atc", statement],
        capture_output=True,
        text=True,
        env=database.variables(),
        stdin=subprocess.DEVNULL,
    )
    assert "syntax error" in done.stderr
    assert psql.psql(["-v", "x=7", "-c", statement], DATABASE).effect is Effect.DESTROYS
