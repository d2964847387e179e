"""A destroying command is detected, however it is wrapped, quoted or spelled."""

import shlex
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.guard.effects import Effect, Surroundings
from ledgerflow_ops.guard.inside.programs import effect
from ledgerflow_ops_tests.guard.inside.surroundings import APPLICATION, DATABASE, of_shell
from ledgerflow_ops_tests.hypothesis_profiles import examples

Line = tuple[str, ...]

SQL = st.sampled_from(
    [
        "drop table x",
        "DROP/**/DATABASE y",
        "select 1; truncate z",
        "delete from a",
        "with a as (delete from b) select 1",
    ]
)


@st.composite
def of_psql(draw: st.DrawFn) -> Line:
    """psql with a statement that destroys, somewhere among harmless options in every spelling."""
    statement = draw(SQL)
    options: list[Line] = [
        draw(
            st.sampled_from(
                [
                    ("-c", statement),
                    (f"-c{statement}",),
                    (f"-Atc{statement}",),
                    ("-qAtc", statement),
                    ("--command", statement),
                    (f"--command={statement}",),
                    (f"--comm={statement}",),
                    ("--com", statement),
                ]
            )
        ),
        *draw(
            st.lists(
                st.sampled_from(
                    [
                        ("-U", "u"),
                        ("-Uu",),
                        ("--user=u",),
                        ("-X",),
                        ("db",),
                        ("-c", "select 1"),
                        ("-At",),
                        ("--dbname", "d"),
                        ("-v", "ON_ERROR_STOP=1"),
                        ("-h/tmp",),
                        ("-wq",),
                        ("-1",),
                    ]
                ),
                max_size=4,
            )
        ),
    ]
    name = draw(st.sampled_from(["psql", "/usr/bin/psql", "/usr/lib/postgresql/17/bin/psql"]))
    return (name, *(word for option in draw(st.permutations(options)) for word in option))


DESTRUCTIVE = of_psql() | st.sampled_from(
    [
        ("dropdb", "x"),
        ("/usr/bin/dropdb", "-U", "u", "x"),
        ("python", "manage.py", "flush", "--noinput"),
        ("./manage.py", "flush"),
        ("pg_restore", "-c", "-d", "x", "/y"),
        ("psql", "-f", "/x"),
    ]
)
NEXT_TO_THE_DATA = DESTRUCTIVE | st.sampled_from(
    [
        ("rm", "-rf", "/var/lib/postgresql/data"),
        ("/bin/rm", "-r", "/var/lib/postgresql/data/base"),
        ("find", "/", "-delete"),
        ("no-such-program",),
    ]
)


def as_text(line: Sequence[str]) -> str:
    return " ".join(shlex.quote(word) for word in line)


def escaped(line: Sequence[str]) -> str:
    return " ".join(
        "".join(f"\\{sign}" for sign in word) if "\n" not in word else shlex.quote(word) for word in line
    )


PREFIXES: list[Line] = [
    ("env",),
    ("env", "-i"),
    ("env", "LANG=C"),
    ("env", "-u", "A", "TZ=UTC"),
    ("/usr/bin/env",),
    ("nice",),
    ("nice", "-n", "5"),
    ("nice", "-10"),
    ("nohup",),
    ("time",),
    ("time", "-p"),
    ("timeout", "5"),
    ("timeout", "-k", "1", "--signal=KILL", "5s"),
    ("setsid",),
    ("stdbuf", "-oL"),
    ("ionice", "-c", "3"),
    ("sudo",),
    ("sudo", "-u", "postgres", "--"),
    ("sudo", "-nE", "LANG=C"),
    ("gosu", "postgres"),
    ("su-exec", "postgres"),
    ("setpriv", "--reuid=1", "--clear-groups"),
    ("runuser", "-u", "postgres", "--"),
    ("chroot", "/"),
    ("exec",),
    ("command",),
    ("command", "-p"),
    ("docker-entrypoint.sh",),
    ("tini", "--"),
    ("/sbin/tini", "-g", "--"),
    ("dumb-init",),
    ("busybox",),
    ("builtin",),
]
TEXTS: list[tuple[Line, Line]] = [
    (("sh", "-c"), ()),
    (("bash", "-lc"), ()),
    (("/bin/sh", "-ec"), ()),
    (("bash", "-euo", "pipefail", "-c"), ()),
    (("dash", "-c", "--"), ()),
    (("ash", "-c"), ("x", "y")),
    (("busybox", "sh", "-c"), ()),
    (("bash", "-c", "-e"), ()),
    (("bash", "--norc", "-c"), ()),
    (("su", "postgres", "-c"), ()),
    (("su", "-", "postgres", "--command"), ()),
    (("su", "-c"), ("postgres",)),
    (("runuser", "postgres", "-c"), ()),
    (("env", "sh", "-c"), ()),
]
SHAPES = [
    "{}",
    "true; {}",
    "ls && {}",
    "ls || {} ; pwd",
    "( {} )",
    "{{ {} ; }}",
    "if true; then {} ; fi",
    "! {}",
    "{} > /dev/null 2>&1",
    "ls | {}",
    "{} &",
    "LANG=C {}",
    "cd /tmp; {}",
    "while {} ; do true; done",
    "exec {}",
    "# x\n{}",
    "{} # x",
    "ls\n{}\nls",
]


@st.composite
def wrapped(draw: st.DrawFn, inner: st.SearchStrategy[Line]) -> Line:
    line: Line = draw(inner)
    for _ in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            line = (*draw(st.sampled_from(PREFIXES)), *line)
        else:
            before, after = draw(st.sampled_from(TEXTS))
            write = draw(st.sampled_from([as_text, escaped]))
            line = (*before, draw(st.sampled_from(SHAPES)).format(write(line)), *after)
    return line


@given(wrapped(NEXT_TO_THE_DATA))
@examples(600)
def test_no_wrapping_hides_what_destroys(line: Line) -> None:
    found = effect(line, DATABASE)
    assert found.effect is not Effect.READS, found.what
    assert of_shell(as_text(line), DATABASE).effect is not Effect.READS


@given(wrapped(DESTRUCTIVE))
@examples(300)
def test_nor_in_the_application_container(line: Line) -> None:
    found = effect(line, APPLICATION)
    assert found.effect is not Effect.READS, found.what


HARMLESS: list[Line] = [
    ("ls", "-l"),
    ("psql", "-c", "select 'drop table x; delete'"),
    ("pg_dump", "-Fc", "x"),
    ("pg_isready",),
    ("rm", "-f", "/tmp/x"),
]


@given(st.sampled_from(HARMLESS), st.lists(st.sampled_from([*PREFIXES, None]), max_size=3))
@examples(300)
def test_nor_does_wrapping_make_harmless_things_terrible(line: Line, wrappers: list[Line | None]) -> None:
    for wrapper in wrappers:
        line = ("sh", "-c", as_text(line)) if wrapper is None else (*wrapper, *line)
    found = effect(line, DATABASE)
    assert found.effect is not Effect.DESTROYS, (line, found.what)


@given(st.sampled_from(HARMLESS), st.text(st.characters(codec="utf-8"), max_size=10))
@examples(100)
def test_an_unknown_program_is_never_harmless_next_to_the_data(line: Line, name: str) -> None:
    around = Surroundings(DATABASE.data, terminal=False, input=False)
    found = effect((f"{name}\N{SNOWMAN}", *line), around)
    assert found.effect is not Effect.READS
