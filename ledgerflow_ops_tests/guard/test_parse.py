"""docker's grammar: the same words are read as docker and Compose read them."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.guard.command_line.grammar import (
    COMPOSE,
    DOCKER,
    JUDGED,
    READING,
    SAME_COMMAND,
    STANDALONE,
    Options,
)
from ledgerflow_ops.guard.command_line.parse import parse
from ledgerflow_ops_tests.fakes.engine import Engine, clients
from ledgerflow_ops_tests.guard.lines import Line, spelled

_FLAG = re.compile(r"^\s{2,6}(?:-(?P<short>\w), )?\s*--(?P<long>[\w-]+)(?P<value> [\w-]+)?(?:\s{2,}|$)")

READ_AS = [
    ("ps", "container ls", {}, ()),
    ("-- ps", "container ls", {}, ()),
    ("container list -a", "container ls", {}, ("-a",)),
    ("volume remove a b", "volume rm", {}, ("a", "b")),
    ("volume rm -- -v", "volume rm", {}, ("-v",)),
    ("volume rm a -f", "volume rm", {"force": ("true",)}, ("a",)),
    ("container rm -fv=false x", "rm", {"force": ("true",), "volumes": ("false",)}, ("x",)),
    ("rm -v=T x", "rm", {"volumes": ("T",)}, ("x",)),
    ("run --rm -v a:/b i rm -v", "run", {"rm": ("true",), "volume": ("a:/b",)}, ("i", "rm", "-v")),
    ("run -va:/b -v=c:/d i", "run", {"volume": ("a:/b", "c:/d")}, ("i",)),
    ("run -h x y", "run", {"hostname": ("x",)}, ("y",)),
    ("run --net host i", "run", {"network": ("host",)}, ("i",)),
    ("run -itd i", "run", {"interactive": ("true",), "tty": ("true",), "detach": ("true",)}, ("i",)),
    ("exec -it c psql -c x", "exec", {"interactive": ("true",), "tty": ("true",)}, ("c", "psql", "-c", "x")),
    ("compose down -vt 5", "compose down", {"volumes": ("true",), "timeout": ("5",)}, ()),
    ("compose down -tv", "compose down", {"timeout": ("v",)}, ()),
    ("compose down --volume", "compose down", {"volumes": ("true",)}, ()),
    ("compose down -v --volume=f -v", "compose down", {"volumes": ("true", "f", "true")}, ()),
    ("compose down -- -v", "compose down", {}, ("-v",)),
    ("compose -f a -fb -p=x up -d", "compose up", {"detach": ("true",)}, ()),
    (
        "compose run --rm -v a:/b s rm -rf",
        "compose run",
        {"rm": ("true",), "volume": ("a:/b",)},
        ("s", "rm", "-rf"),
    ),
    ("--log-level debug -Hunix:///x volume prune -f", "volume prune", {"force": ("true",)}, ()),
]


@pytest.mark.parametrize(("line", "verb", "options", "operands"), READ_AS)
def test_a_line_is_read(
    line: str, verb: str, options: dict[str, tuple[str, ...]], operands: tuple[str, ...]
) -> None:
    call = parse("docker", shlex.split(line))
    assert (call.verb, dict(call.options), call.operands, call.trouble) == (verb, options, operands, "")


NOT_READ = [
    ("compose down --vol", "the option --vol is unknown"),
    ("compose down --volumes=maybe", "--volumes=maybe is neither true nor false"),
    ("compose down -x", "the option -x is unknown"),
    ("compose -- down", "-- stands before Compose's command"),
    ("compose ps -p", None),
    ("compose -p", "--project-name has no value"),
    ("volume -f rm x", "-f is between volume and its command"),
    ("swarm leave", "docker swarm leave is not a known command"),
    ("frobnicate", "docker frobnicate is not a known command"),
    ("--frob ps", "the option --frob is unknown"),
    ("rm --=x", "the option -- is unknown"),
    ("compose alpha viz", "docker compose alpha is not a known command"),
    ("system dial-stdio", "docker system dial-stdio is not a known command"),
]


@pytest.mark.parametrize(("line", "trouble"), NOT_READ)
def test_what_is_not_known_is_said(line: str, trouble: str | None) -> None:
    call = parse("docker", shlex.split(line))
    assert (call.trouble or None) == trouble
    assert call.reads is (trouble is None)


HELP = ["", "--help", "-h", "help volume rm", "volume", "volume --help", "volume rm x --help", "rm -vfh x"]


@pytest.mark.parametrize("line", [*HELP, "compose", "compose --help down -v", "compose down --help -v", "-v"])
def test_help_is_help(line: str) -> None:
    assert parse("docker", shlex.split(line)).verb == "help"


def test_the_engine_and_the_project_are_kept_as_they_were_typed() -> None:
    call = parse("docker", shlex.split("-H tcp://x --context=y compose -f a --env-file b -p c down"))
    assert call.engine == ("-H", "tcp://x", "--context=y")
    assert call.project == ("-f", "a", "--env-file", "b", "-p", "c")
    assert call.chosen["file"] == ("a",)
    alone = parse("docker-compose", shlex.split("-H tcp://x -f a --context y down -v"))
    assert alone.engine == ("--host=tcp://x", "--context=y")
    assert (alone.verb, alone.on("volumes")) == ("compose down", True)


@given(
    words=st.lists(st.text(max_size=8) | st.sampled_from(["-v", "--", "compose", "rm", "-f=", "--x=y", "-"]))
)
def test_anything_is_read_as_something(words: list[str]) -> None:
    call = parse("docker", words)
    assert call.typed == tuple(words)
    assert call.trouble or call.verb


@given(data=st.data())
def test_spelling_does_not_matter(data: st.DataObject) -> None:
    verb = data.draw(st.sampled_from(sorted(JUDGED)))
    known = JUDGED[verb]
    names = data.draw(st.lists(st.sampled_from(sorted(known.takes_value) or [""]), max_size=4, unique=True))
    chosen = tuple(
        (name, "w" if known.takes_value[name] else None) for name in names if name not in ("", "help")
    )
    operands = ("one", "two")
    call = parse("docker", data.draw(spelled(Line(verb, chosen, operands))))
    assert (call.verb, call.trouble, call.operands) == (verb, "", operands)
    assert all(call.on(name) for name, value in chosen if value is None and name in call.options)
    assert sum(map(len, call.options.values())) == len(chosen)


def _help(command: list[str | Path], engine: Engine) -> dict[str, tuple[bool, str]]:
    """What a program prints of its options: long name → whether it takes a value, short name."""
    said = subprocess.run(
        [*map(str, command), "--help"], capture_output=True, text=True, check=True, timeout=30,
        env={**engine.environment(), "PATH": "", "HOME": "/"},
    ).stdout  # fmt: skip
    found = filter(None, map(_FLAG.match, said.splitlines()))
    return {match["long"]: (bool(match["value"]), match["short"] or "") for match in found}


def _assert_known(printed: dict[str, tuple[bool, str]], known: Options) -> None:
    """Every printed option is in the table with its arity; a short name may stand for its twin there."""
    for name, (valued, letter) in printed.items():
        if name != "help":
            assert known.takes_value[name] == valued, name
            assert not letter or known.takes_value[known.short[letter]] == valued, letter


@pytest.mark.parametrize("client", clients(), ids=lambda client: client.parent.parts[1])
def test_the_tables_are_what_the_installed_docker_prints(client: Path, engine: Engine) -> None:
    _assert_known(_help([client], engine), DOCKER)
    for verb, known in JUDGED.items():
        if not verb.startswith("compose "):
            printed = _help([client, *verb.split()], engine)
            _assert_known(printed, known)


def test_the_tables_are_what_the_installed_compose_prints(engine: Engine) -> None:
    compose = (engine.folder / "config/cli-plugins/docker-compose").resolve()
    _assert_known(_help([compose], engine), COMPOSE)
    _assert_known(_help([compose], engine), STANDALONE)
    for verb, known in JUDGED.items():
        if verb.startswith("compose "):
            _assert_known(_help([compose, *verb.split()[1:]], engine), known)


def test_no_command_is_in_two_tables() -> None:
    assert not READING & JUDGED.keys()
    assert not {name for name in SAME_COMMAND.values() if name in SAME_COMMAND and SAME_COMMAND[name] != name}


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        ("rm ./db", False),
        ("rm /db", True),
        ("rm db/", False),
        ("stop db web/../db", False),
        ("exec db ls ./x /", True),
        ("exec ../db ls", False),
        ("attach d%62", True),
        ("attach ..", False),
        ("volume rm volumes/loose", False),
        ("volume rm ledger-dev_a.b", True),
        ("rmi registry.example/books:5 books@sha256:00", True),
        ("image rm -f --platform linux/amd64 books", True),
        ("rmi ./books", False),
        ("network rm net ../volumes/loose", False),
        ("cp ./x/../y db:/tmp/../x", True),
        ("cp x/../db:/y .", False),
    ],
)
def test_a_name_is_written_as_one(typed: str, understood: bool) -> None:
    assert (parse("docker", typed.split()).trouble == "") is understood
    assert parse("docker", ["volume", "rm", " loose"]).trouble
    assert parse("docker", ["volume", "rm", "loose\n"]).trouble
