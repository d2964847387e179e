"""Every way to lose protected data, in every spelling, is detected; and each would really lose it."""

import subprocess

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from ledgerflow_ops.guard.effects import Effect
from ledgerflow_ops_tests.fakes import image
from ledgerflow_ops_tests.fakes.docker_sandboxes import DATA, DockerSandbox
from ledgerflow_ops_tests.guard.conftest import Judged, run
from ledgerflow_ops_tests.guard.lines import Line, spelled
from ledgerflow_ops_tests.hypothesis_profiles import examples

_SYSTEM = image.SYSTEM
_WIPE = ("sh", "-c", "rm -rf /x/*")
_IN_DATA = ("sh", "-c", f"rm -rf {DATA}/*")
_KEPT = ("rm", "-f", "/x/backups/kept")
_OFF: tuple[tuple[str, str | None], ...] = (("network", "none"), ("rm", None))
_ALIAS = "Volume-Opt=type=none,volume-opt=o=bind,VOLUME-OPT=device=BACKUPS"
_BY_FILE = ("compose", "-f", "docker-compose.dev.yml")
_BY_NAME = ("compose", "-p", "ledger-dev")


def _compose(verb: str, *operands: str, **options: str | None) -> list[Line]:
    """A Compose command, with the project named in both ways."""
    given = tuple((name.replace("_", "-"), value) for name, value in options.items())
    return [Line(f"compose {verb}", given, operands, lead[1:]) for lead in (_BY_FILE, _BY_NAME)]


_RELATIVE = Line("run", (*_OFF, ("volume", "./linked:/x")), (_SYSTEM, *_WIPE))
"""Clients before 23.0 send it as a volume's name, which the engine rejects: docker refuses it as well."""
_REJECTED = 125
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
    Line("run", (*_OFF, ("mount", "source=plain,src=loose,dst=/x")), (_SYSTEM, *_WIPE)),
    Line("run", (*_OFF, ("mount", "src=loose,dst=/x,readonly,ro=false")), (_SYSTEM, *_WIPE)),
    Line("run", (*_OFF, ("mount", "Type=BIND,src=BACKUPS,dst=/x")), (_SYSTEM, *_WIPE)),
    Line("run", (*_OFF, ("mount", f"dst=/x,{_ALIAS}")), (_SYSTEM, *_WIPE)),
    Line("run", (*_OFF, ("volume", "/BACKUPS:/x")), (_SYSTEM, *_WIPE)),
    _RELATIVE,
    Line("run", (*_OFF, ("volume", "ENGINE/linked:/x")), (_SYSTEM, "rm", "-rf", "/x/base")),
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
    Line("cp", (), ("docker-compose.dev.yml", f"olddb:/{DATA}/PG_VERSION")),
    Line("cp", (), ("ledger-dev-redis-1:/etc/passwd", "linked/kept")),
    Line("cp", (), ("web:/srv/backups", ".")),
    Line("export", (("output", "backups/kept"),), ("web",)),
    Line("export", (("output", "/BACKUPS/kept"),), ("web",)),
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


def _typed(words: list[str], docker_sandbox: DockerSandbox) -> list[str]:
    places = {"BACKUPS": str(docker_sandbox.backups), "ENGINE": str(docker_sandbox.engine.folder / "data")}
    for name, place in places.items():
        words = [word.replace(name, place) for word in words]
    return words


def _link(docker_sandbox: DockerSandbox) -> None:
    """Other ways to the same: links on the host, and a folder in a container that is called as ours is."""
    for link, target in (
        (docker_sandbox.folder / "linked", docker_sandbox.backups),
        (docker_sandbox.engine.folder / "data" / "linked", docker_sandbox.path("loose")),
    ):
        if not link.is_symlink():
            link.symlink_to(target)
    theirs = docker_sandbox.path("plain") / "backups"
    theirs.mkdir(exist_ok=True)
    (theirs / "kept").write_text("a file of the same name")


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
def test_it_really_loses_something_and_is_seen(
    line: Line, docker_sandbox: DockerSandbox, judged: Judged
) -> None:
    docker_sandbox.build()
    _link(docker_sandbox)
    words = _typed(_plain(line), docker_sandbox)
    judgement = judged(words)
    assert judgement.effect == Effect.DESTROYS, words
    before, nameless = docker_sandbox.content(), docker_sandbox.anonymous()
    code = run(docker_sandbox, words)
    lost = docker_sandbox.content() != before or nameless not in docker_sandbox.engine.names("volume")
    docker_sandbox.build()
    rejected = line == _RELATIVE and code == _REJECTED
    assert lost is not rejected, f"{words} loses nothing: the line is not worth its place"


@examples(120, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_however_it_is_spelled(data: st.DataObject, docker_sandbox: DockerSandbox, judged: Judged) -> None:
    _link(docker_sandbox)
    line = data.draw(st.sampled_from(LOSING))
    words = _typed(data.draw(spelled(line)), docker_sandbox)
    assert judged(words).effect == Effect.DESTROYS, words


def test_another_engine_is_not_switched_to_in_mid_session(
    docker_sandbox: DockerSandbox, judged: Judged
) -> None:
    """The next commands would be judged by one engine and carried out by another."""
    docker_sandbox.build()
    here = f"host={docker_sandbox.engine.host}"
    docker_sandbox.engine.docker("context", "create", "same", "--docker", here)
    docker_sandbox.engine.docker("context", "create", "other", "--docker", "host=tcp://127.0.0.1:1")
    try:
        assert judged(["context", "use", "same"]).effect == Effect.READS
        away = judged(["context", "use", "other"])
        assert away.effect == Effect.DESTROYS
        assert "docker --context other" in away.impacts[0].safe
        moved = ["context", "update", "same", "--docker", "host=tcp://127.0.0.1:1"]
        assert judged(moved).effect == Effect.DESTROYS
        assert "the engine does not answer" in judged(["--context", "other", "volume", "rm", "loose"]).unknown
    finally:
        docker_sandbox.engine.docker("context", "rm", "same", "other")


@pytest.mark.parametrize(
    "typed",
    [
        "volume rm -h=false loose",
        "-h=false volume rm loose",
        "compose --version -p ledger-dev down -v",
        "compose -h=f -p ledger-dev down -v",
        f"run --help=false --rm --network none -v loose:/x {_SYSTEM} rm -rf /x/base",
        "compose -p other -f - down -v",
    ],
)
def test_what_looks_like_a_question_and_is_none(
    typed: str, docker_sandbox: DockerSandbox, judged: Judged
) -> None:
    docker_sandbox.build()
    file = f"services: {{a: {{image: '{_SYSTEM}', network_mode: none, command: ls, volumes: ['kept:/x']}}}}\n"
    given = f"{file}volumes: {{kept: {{name: loose}}}}\n".encode()
    if "-f -" in typed:
        docker_sandbox.engine.docker("compose", "-p", "other", "-f", "-", "create", data=given)
    words = typed.split(" ")
    judgement = judged(words)
    assert judgement.unknown or judgement.effect == Effect.DESTROYS
    before = docker_sandbox.content()
    docker_sandbox.engine.docker(*words, check=False, data=given, cwd=docker_sandbox.folder)
    lost = docker_sandbox.content() != before
    docker_sandbox.build()
    assert lost


@pytest.mark.parametrize(
    "words",
    [
        ["volume", "rm", "./loose"],
        ["volume", "rm", "loose/"],
        ["volume", "rm", "-f", "x/../loose"],
        ["rm", "-f", "../volumes/loose"],
        ["rmi", "../volumes/loose"],
        ["network", "rm", "x/../../volumes/loose"],
        ["rm", "-fv", "db/"],
        ["exec", "./ledger-dev-postgres-1", "rm", "-rf", f"{DATA}/base"],
        ["cp", "docker-compose.dev.yml", f"x/../olddb:{DATA}/PG_VERSION"],
    ],
)
def test_a_name_that_docker_tidies_up(
    words: list[str], docker_sandbox: DockerSandbox, judged: Judged
) -> None:
    """Docker puts the name into a URL, where a path leads to another object."""
    docker_sandbox.build()
    judgement = judged(words)
    before, nameless = docker_sandbox.content(), docker_sandbox.anonymous()
    run(docker_sandbox, words)
    lost = docker_sandbox.content() != before or nameless not in docker_sandbox.engine.names("volume")
    docker_sandbox.build()
    assert "is not a plain name" in judgement.unknown
    assert lost


def test_a_volume_that_is_another_name_for_the_backups(docker_sandbox: DockerSandbox, judged: Judged) -> None:
    """An overlay writes into its upper folder, wherever that is."""
    docker_sandbox.build()
    for name in ("lower", "work"):
        (docker_sandbox.folder / "layers" / name).mkdir(parents=True, exist_ok=True)
    lower, work = docker_sandbox.folder / "layers/lower", docker_sandbox.folder / "layers/work"
    options = f"o=lowerdir={lower},upperdir={docker_sandbox.backups},workdir={work}"
    words = ["volume", "create", "-o", "type=overlay", "-o", "device=overlay", "-o", options, "alias"]
    assert judged(words).effect == Effect.DESTROYS
    docker_sandbox.engine.docker(*words)
    mounting = [
        "run",
        *_typed(["--rm", "--network", "none", "-v", "alias:/x"], docker_sandbox),
        _SYSTEM,
        *_WIPE,
    ]
    assert judged(mounting).effect == Effect.DESTROYS
    before = docker_sandbox.content()
    run(docker_sandbox, mounting)
    lost = docker_sandbox.content() != before
    docker_sandbox.engine.docker("volume", "rm", "alias")
    docker_sandbox.build()
    assert lost


def test_what_a_build_writes_beside_its_image(docker_sandbox: DockerSandbox, judged: Judged) -> None:
    docker_sandbox.build()
    context = docker_sandbox.folder / "context"
    context.mkdir(exist_ok=True)
    (context / "Dockerfile").write_text(f"FROM {_SYSTEM}\n")
    for typed in ("build -o backups .", "buildx build --output type=tar,dest=backups/kept .",
                  "buildx bake --metadata-file=backups/kept", "scout cves -obackups/kept x"):  # fmt: skip
        assert judged(typed.split()).effect == Effect.DESTROYS
    assert judged(["build", "-t", "x", "-o", "out", "."]).effect == Effect.READS
    words = ["build", "--iidfile", "backups/kept", "context"]
    assert judged(words).effect == Effect.DESTROYS
    before = docker_sandbox.content()
    docker_sandbox.engine.docker(*words, variables={"DOCKER_BUILDKIT": "0"}, cwd=docker_sandbox.folder)
    lost = docker_sandbox.content() != before
    docker_sandbox.build()
    assert lost


@pytest.mark.parametrize(
    "words",
    [
        ["--health-cmd", f"rm -rf {DATA}/base", "postgres:17"],
        ["postgres:17", "-c", "archive_mode=on", "-c", f"archive_command=rm -rf {DATA}/base"],
        ["--entrypoint", "docker-entrypoint.sh rm -rf", "postgres:17", "postgres"],
        ["--tmpfs", f"{DATA}/base", "postgres:17"],
    ],
)
def test_a_server_is_handed_the_data_and_nothing_else_is(
    words: list[str], docker_sandbox: DockerSandbox, judged: Judged
) -> None:
    alone = ["run", "-d", "--network", "none", "-v", f"loose:{DATA}"]
    assert judged([*alone, "postgres:17", "-c", "shared_buffers=32MB"]).effect == Effect.READS
    assert judged([*alone, *words]).effect == Effect.DESTROYS
    assert docker_sandbox.backups.exists()


def test_no_postgresql_may_keep_its_data_in_the_backups(
    docker_sandbox: DockerSandbox, judged: Judged
) -> None:
    """Its entrypoint would take the folder and all that is in it for its own, and close it to everybody."""
    words = [
        "run",
        "--rm",
        "-v",
        f"{docker_sandbox.backups}:{DATA}",
        "-e",
        "POSTGRES_PASSWORD=x",
        "postgres:17",
    ]
    assert judged(words).effect == Effect.DESTROYS


def test_a_data_folder_that_only_the_command_line_names(
    docker_sandbox: DockerSandbox, judged: Judged
) -> None:
    docker_sandbox.engine.docker(
        *("create", "--name", "odd", "--label", "com.ledgerflow.environment=dev", "--network", "none"),
        *("-v", "books:/srv/books", "--entrypoint", ""),
        *(_SYSTEM, "postgres", "-D", "/srv/books"),
    )
    judgement = judged(["volume", "rm", "-f", "books"])
    docker_sandbox.engine.docker("rm", "--volumes", "odd")
    docker_sandbox.engine.docker("volume", "rm", "books")
    assert judgement.effect == Effect.DESTROYS


def test_the_engine_by_the_socket_it_is_spoken_to_through(
    docker_sandbox: DockerSandbox, judged: Judged
) -> None:
    socket = docker_sandbox.engine.host.removeprefix("unix://")
    assert judged(["run", "--rm", "-v", f"{socket}:/s:ro", _SYSTEM, "true"]).effect == Effect.DESTROYS


def test_read_only_does_not_reach_what_is_mounted_beneath(
    docker_sandbox: DockerSandbox, judged: Judged
) -> None:
    """The backups are on a disk of their own, and a folder above it is handed out."""
    docker_sandbox.build()
    words = ["run", "--rm", "--network", "none", "-v", f"{docker_sandbox.folder}:/x:ro", _SYSTEM, *_KEPT]
    assert judged(words).effect == Effect.READS
    subprocess.run(["mount", "-t", "tmpfs", "disk", docker_sandbox.backups], check=True)
    try:
        (docker_sandbox.backups / "kept").write_text("a backup")
        judgement, before = judged(words), docker_sandbox.content()
        run(docker_sandbox, words)
        lost = docker_sandbox.content() != before
    finally:
        subprocess.run(["umount", docker_sandbox.backups], check=True)
        docker_sandbox.build()
    assert (judgement.effect, lost) == (Effect.DESTROYS, True)
