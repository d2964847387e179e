"""Every way to lose what is protected, in every spelling, is seen; and each really would lose it."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledgerflow_ops.guard.inside.effects import Effect
from ledgerflow_ops_tests.fakes import image
from ledgerflow_ops_tests.fakes.yard import DATA, Yard
from ledgerflow_ops_tests.guard.conftest import Judged, run
from ledgerflow_ops_tests.guard.lines import Line, spelled

_SYSTEM = image.SYSTEM
_WIPE = ("sh", "-c", "rm -rf /x/*")
_IN_DATA = ("sh", "-c", f"rm -rf {DATA}/*")
_OFF: tuple[tuple[str, str | None], ...] = (("network", "none"), ("rm", None))
_BY_FILE = ("compose", "-f", "docker-compose.dev.yml")
_BY_NAME = ("compose", "-p", "ledger-dev")


def _compose(verb: str, *operands: str, **options: str | None) -> list[Line]:
    """A Compose command, with the project named in both ways."""
    given = tuple((name.replace("_", "-"), value) for name, value in options.items())
    return [Line(f"compose {verb}", given, operands, lead[1:]) for lead in (_BY_FILE, _BY_NAME)]


LOSING = [
    Line("volume rm", (("force", None),), ("loose",)),
    Line("volume rm", (), ("plain-too", "loose")),
    Line("volume prune", (("force", None),)),
    Line("volume prune", (("force", None), ("filter", "label=com.ledgerflow.protect"))),
    Line("volume prune", (("force", None), ("filter", "label!=something.else"))),
    Line("system prune", (("force", None), ("volumes", None))),
    Line("system prune", (("force", None), ("all", None), ("volumes", None))),
    Line("rm", (("force", None), ("volumes", None)), ("db",)),
    Line("run", (*_OFF, ("volume", "loose:/x")), (_SYSTEM, *_WIPE)),
    Line("run", (*_OFF, ("volume", "loose:/x:z")), (_SYSTEM, *_WIPE)),
    Line("run", (*_OFF, ("mount", "type=volume,src=loose,dst=/x")), (_SYSTEM, *_WIPE)),
    Line("run", (*_OFF, ("mount", "source=loose,target=/x,readonly=false")), (_SYSTEM, *_WIPE)),
    Line("run", (*_OFF, ("volumes-from", "olddb")), (_SYSTEM, *_IN_DATA)),
    Line("run", (*_OFF, ("volumes-from", "ledger-dev-postgres-1:rw")), (_SYSTEM, *_IN_DATA)),
    Line("run", (*_OFF, ("volume", "BACKUPS:/x")), (_SYSTEM, *_WIPE)),
    Line("run", (*_OFF, ("mount", "type=bind,src=BACKUPS,dst=/x")), (_SYSTEM, *_WIPE)),
    Line("run", (*_OFF, ("volume", "ENGINE:/e")), (_SYSTEM, "sh", "-c", "rm -rf /e/volumes/loose/_data/*")),
    Line("run", (*_OFF, ("volume", "ENGINE/volumes/loose:/e")), (_SYSTEM, "sh", "-c", "rm -rf /e/_data/*")),
    Line("run", (*_OFF, ("entrypoint", "rm"), ("volume", "loose:/x")), (_SYSTEM, "-rf", "/x/base")),
    Line("exec", (), ("ledger-dev-postgres-1", "rm", "-rf", f"{DATA}/base")),
    Line("exec", (("workdir", DATA),), ("ledger-dev-postgres-1", "rm", "-rf", "base")),
    Line("exec", (("user", "root"),), ("ledger-dev-postgres-1", *_IN_DATA)),
    Line("cp", (), ("docker-compose.dev.yml", f"ledger-dev-postgres-1:{DATA}/PG_VERSION")),
    Line("cp", (), ("docker-compose.dev.yml", f"olddb:{DATA}/../data/PG_VERSION")),
    Line("cp", (("archive", None),), ("ledger-dev-redis-1:/etc/passwd", "backups/kept")),
    Line("export", (("output", "backups/kept"),), ("web",)),
    Line("image save", (("output", "backups/kept"),), (_SYSTEM,)),
    *_compose("down", volumes=None),
    *_compose("down", volumes=None, timeout="1"),
    *_compose("down", volumes=None, remove_orphans=None),
    *_compose("exec", "postgres", *_IN_DATA, no_tty=None),
    *_compose("cp", "docker-compose.dev.yml", f"postgres:{DATA}/PG_VERSION"),
    Line("compose run", (("rm", None),), ("postgres", *_IN_DATA), _BY_FILE[1:]),
    Line(
        "compose run", (("rm", None), ("entrypoint", "rm")), ("postgres", "-rf", f"{DATA}/base"), _BY_FILE[1:]
    ),
    Line("compose run", (("rm", None), ("volume", "loose:/x")), ("redis", *_WIPE), _BY_FILE[1:]),
    Line("compose config", (("output", "backups/kept"),), (), _BY_FILE[1:]),
]
"""What loses something in the yard when docker runs it."""


def _typed(words: list[str], yard: Yard) -> list[str]:
    places = {"BACKUPS": str(yard.backups), "ENGINE": str(yard.engine.folder / "data")}
    for name, place in places.items():
        words = [word.replace(name, place) for word in words]
    return words


def _plain(line: Line) -> list[str]:
    """The plainest spelling."""
    options = [
        word
        for name, value in line.options
        for word in ([f"--{name}"] if value is None else [f"--{name}", value])
    ]
    head, _, verb = line.verb.partition(" ")
    if head == "compose":
        return ["compose", *line.leading, verb, *options, *line.operands]
    return [*line.verb.split(), *options, *line.operands]


def _id(line: Line) -> str:
    return " ".join(_plain(line)).replace(DATA, "DATA").replace(_SYSTEM, "IMAGE")


@pytest.mark.parametrize("line", LOSING, ids=_id)
def test_it_really_loses_something_and_is_seen(line: Line, yard: Yard, judged: Judged) -> None:
    yard.build()
    words = _typed(_plain(line), yard)
    judgement = judged(words)
    assert judgement.effect == Effect.DESTROYS, words
    before, nameless = yard.content(), yard.anonymous()
    run(yard, words)
    lost = yard.content() != before or nameless not in yard.engine.names("volume")
    yard.build()
    assert lost, f"{words} loses nothing: the line is not worth its place"


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_however_it_is_spelled(data: st.DataObject, yard: Yard, judged: Judged) -> None:
    line = data.draw(st.sampled_from(LOSING))
    words = _typed(data.draw(spelled(line)), yard)
    assert judged(words).effect == Effect.DESTROYS, words


def test_another_engine_is_not_switched_to_in_mid_session(yard: Yard, judged: Judged) -> None:
    """The next commands would be judged by one engine and carried out by another."""
    yard.build()
    here = f"host={yard.engine.host}"
    yard.engine.docker("context", "create", "same", "--docker", here)
    yard.engine.docker("context", "create", "other", "--docker", "host=tcp://127.0.0.1:1")
    try:
        assert judged(["context", "use", "same"]).effect == Effect.READS
        away = judged(["context", "use", "other"])
        assert away.effect == Effect.DESTROYS
        assert "docker --context other" in away.touches[0].safe
        moved = ["context", "update", "same", "--docker", "host=tcp://127.0.0.1:1"]
        assert judged(moved).effect == Effect.DESTROYS
        assert "the engine does not answer" in judged(["--context", "other", "volume", "rm", "loose"]).unknown
    finally:
        yard.engine.docker("context", "rm", "same", "other")
