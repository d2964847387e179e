"""An edited compose file: what `up` would do to the data is detected beforehand."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerflow_ops.guard.effects import Effect
from ledgerflow_ops_tests.fakes import image
from ledgerflow_ops_tests.fakes.docker_sandboxes import DATA, DockerSandbox
from ledgerflow_ops_tests.guard.conftest import Judged, run

UP = "-f docker-compose.dev.yml up -d"
_VOLUMES = "volumes:\n  ledger_postgres:"
_HELD = f'volumes: ["ledger_postgres:{DATA}"]'
_TOP = "services:\n  postgres:\n"
_REDIS = "  redis:\n"
_VERSION = f"{DATA}/PG_VERSION"
_KEPT = "  ledger_redis:\n"
_TOOL = """services:
  tool:
    image: ledgerflow-system:tests
    network_mode: none
    depends_on: [postgres]
  postgres:
"""

LOSING = {
    "the volume has another name": (("ledger_postgres", "ledger_postgres_17"), UP),
    "the volume is given another name of its own": ((_VOLUMES, f"{_VOLUMES}\n    name: other"), UP),
    "it is mounted elsewhere": ((f"postgres:{DATA}", "postgres:/var/lib/pg"), UP),
    "a folder of the host is in its place": (("ledger_postgres:/var", "./data:/var"), UP),
    "memory is in its place": ((_HELD, f'tmpfs: ["{DATA}"]'), UP),
    "nothing is in its place": ((_HELD, ""), UP),
    "the project has another name": (("name: ledger-dev\n", "name: ledger\n"), UP),
    "a label was added, and yes is said": ((_VOLUMES, f"{_VOLUMES}\n    labels: {{a: b}}"), f"{UP} -y"),
    "a label was added": ((_VOLUMES, f"{_VOLUMES}\n    labels: {{a: b}}"), UP),
    "the driver's options were changed": ((_VOLUMES, f"{_VOLUMES}\n    driver_opts: {{type: tmpfs}}"), UP),
    "two copies": (("    init: true\n", "    init: true\n    scale: 2\n"), UP),
    "two replicas": (("    init: true\n", "    init: true\n    deploy: {replicas: 2}\n"), UP),
    "two copies by word": (("", ""), f"{UP} --scale postgres=2"),
    "two copies by scale": (("", ""), "-f docker-compose.dev.yml scale postgres=2"),
    "another program": (('["sleep", "infinity"]', f'["rm", "-rf", "{DATA}/base"]'), UP),
    "another entrypoint": (("    init: true\n", '    init: true\n    entrypoint: ["rm", "-rf"]\n'), UP),
    "another service gets the data": (("ledger_redis:/data", "ledger_postgres:/data"), UP),
    "a service gets labelled data": (("ledger_redis:/data", "outside:/data"), UP),
    "a service gets the backups": (('"ledger_redis:/data"', '"./backups:/data"'), UP),
    "a service may do anything": (("    init: true\n", "    init: true\n    privileged: true\n"), UP),
    "a hook wipes the data": (
        (
            "    init: true\n",
            f'    init: true\n    post_start: [{{command: ["rm", "-rf", "{DATA}/base"]}}]\n',
        ),
        UP,
    ),
    "a service takes the data over": ((_REDIS, f"{_REDIS}    volumes_from: [postgres]\n"), UP),
    "a service takes a container's data over": (
        (_REDIS, f'{_REDIS}    volumes_from: ["container:olddb"]\n'),
        UP,
    ),
    "a config is written into the data": (
        (
            _TOP,
            f"configs: {{c: {{content: gone}}}}\n{_TOP}    configs: [{{source: c, target: {_VERSION}}}]\n",
        ),
        UP,
    ),
    "a secret is written into the data": (
        (
            _TOP,
            f"secrets: {{c: {{environment: PWD}}}}\n{_TOP}    secrets: [{{source: c, target: {_VERSION}}}]\n",
        ),
        UP,
    ),
    "a health check wipes the data": (
        (_TOP, f'{_TOP}    healthcheck: {{test: ["CMD", "rm", "-rf", "{DATA}/base"], interval: 1s}}\n'),
        UP,
    ),
    "the server archives by wiping": (
        ('["sleep", "infinity"]', f'["-c", "archive_mode=on", "-c", "archive_command=rm -rf {DATA}/base"]'),
        UP,
    ),
    "memory over a part of the data": ((_TOP, f'{_TOP}    tmpfs: ["{DATA}/base"]\n'), UP),
    "a volume over a part of the data": ((_HELD, f'volumes: ["ledger_postgres:{DATA}", "{DATA}/base"]'), UP),
    "another volume by a variable": (
        ("ledger_postgres:/var", "${PGHOME_OF_BOOKS:-ledger_postgres}:/var"),
        UP,
    ),
    "a service gets the backups by a link": (('"ledger_redis:/data"', '"./linked:/data"'), UP),
    "a service gets the backups as a volume": (
        (
            _KEPT,
            f"{_KEPT}    driver_opts: {{type: none, o: bind, device: BACKUPS}}\n",
        ),
        UP,
    ),
    "one beside it is run, with a hook in it": (
        (_TOP, f'{_TOOL}    post_start: [{{command: ["rm", "-rf", "{DATA}/base"]}}]\n'),
        "-f docker-compose.dev.yml run --rm -T tool true",
    ),
    "made, not started": (("ledger_postgres", "ledger_postgres_17"), "-f docker-compose.dev.yml create"),
    "one service of it": (("ledger_postgres", "ledger_postgres_17"), f"{UP} postgres"),
}


@pytest.fixture
def edited(docker_sandbox: DockerSandbox, request: pytest.FixtureRequest) -> Iterator[Path]:
    """The compose file with one edit; the yard's own is back afterwards."""
    docker_sandbox.build()
    before, after = request.param
    whole = docker_sandbox.file.read_text()
    assert before in whole
    after = after.replace("BACKUPS", str(docker_sandbox.backups))
    if not (docker_sandbox.folder / "linked").is_symlink():
        (docker_sandbox.folder / "linked").symlink_to(docker_sandbox.backups)
    text = whole.replace(before, after) if "postgres_17" in after else whole.replace(before, after, 1)
    if "outside" in after:
        text += "  outside: {external: true, name: loose}\n"
    docker_sandbox.file.write_text(text)
    yield docker_sandbox.file
    docker_sandbox.build()


@pytest.mark.parametrize(("edited", "words"), LOSING.values(), ids=LOSING, indirect=["edited"])
def test_what_an_edit_would_lose_is_seen(
    edited: Path, words: str, judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOME_OF_BOOKS", "ledger_redis")
    assert edited.exists()
    judgement = judged(["compose", *words.split()])
    assert judgement.effect == Effect.DESTROYS


def test_yes_to_a_changed_label_really_loses_the_volume(docker_sandbox: DockerSandbox) -> None:
    docker_sandbox.build()
    before = docker_sandbox.content()
    docker_sandbox.file.write_text(
        docker_sandbox.file.read_text().replace(_VOLUMES, f"{_VOLUMES}\n    labels: {{a: b}}")
    )
    run(docker_sandbox, ["compose", *UP.split(), "-y"])
    assert docker_sandbox.content() != before
    run(docker_sandbox, ["compose", "-p", "ledger-dev", "down", "-v"])
    docker_sandbox.build()


HARMLESS = {
    "nothing was changed": (("", ""), UP),
    "another service was changed": (("ledger_redis:/data", "ledger_redis:/srv"), UP),
    "a service was added": (
        ("volumes:\n  l", "  more:\n    image: ledgerflow-system:tests\nvolumes:\n  l"),
        UP,
    ),
    "it is recreated": (("", ""), f"{UP} --force-recreate"),
    "orphans go": (("", ""), f"{UP} --remove-orphans"),
    "one copy": (("", ""), f"{UP} --scale postgres=1"),
    "a health check asks the server": (
        (_TOP, f'{_TOP}    healthcheck: {{test: ["CMD-SHELL", "pg_isready -U $$POSTGRES_USER"]}}\n'),
        UP,
    ),
    "files are watched": (
        (_REDIS, f"{_REDIS}    develop: {{watch: [{{action: sync, path: ., target: /srv}}]}}\n"),
        UP,
    ),
    "a service reads the data": (("ledger_redis:/data", "ledger_postgres:/data:ro"), UP),
}


@pytest.mark.parametrize(("edited", "words"), HARMLESS.values(), ids=HARMLESS, indirect=["edited"])
def test_other_edits_are_let_through(
    edited: Path, words: str, docker_sandbox: DockerSandbox, judged: Judged
) -> None:
    assert edited.exists()
    judgement = judged(["compose", *words.split()])
    assert (judgement.effect, judgement.unknown) == (Effect.READS, "")
    before = docker_sandbox.content()
    run(docker_sandbox, ["compose", *words.split()])
    assert docker_sandbox.content() == before


def test_the_same_name_for_another_image_changes_it(docker_sandbox: DockerSandbox, judged: Judged) -> None:
    """Pulled, loaded or tagged meanwhile: the name in the file is what it was."""
    docker_sandbox.build()
    engine = docker_sandbox.engine
    name = f"FROM {image.SYSTEM}\nLABEL newer=yes\n"
    engine.docker("tag", image.SYSTEM, "kept:tests")
    engine.docker("build", "-t", image.SYSTEM, "-", data=name.encode(), variables={"DOCKER_BUILDKIT": "0"})
    judgement = judged(["compose", *UP.split()])
    engine.docker("tag", "kept:tests", image.SYSTEM)
    engine.docker("image", "rm", "kept:tests")
    assert any("another" in touch.what for touch in judgement.impacts)
    assert judgement.effect == Effect.UNCERTAIN


_NEVER = "pull_policy: never"


@pytest.mark.parametrize(
    ("edited", "words"),
    [
        (("", ""), f"{UP} --pull always"),
        ((_NEVER, "pull_policy: always"), UP),
        ((_NEVER, "pull_policy: every_12h"), UP),
        ((_NEVER, "build: ."), f"{UP} --build"),
        ((_NEVER, "build: .\n    pull_policy: build"), UP),
    ],
    indirect=["edited"],
)
def test_an_image_that_is_fetched_or_built_first_may_be_another(
    edited: Path, words: str, docker_sandbox: DockerSandbox, judged: Judged
) -> None:
    assert edited.exists()
    judgement = judged(["compose", *words.split()])
    assert (judgement.effect, judgement.unknown) == (Effect.UNCERTAIN, "")
    assert any("may run another" in touch.what for touch in judgement.impacts)
    assert judged(["compose", *words.replace(UP, f"{UP} redis").split()]).effect == Effect.READS


@pytest.mark.parametrize(
    ("edited", "words"),
    [
        (("", ""), f"{UP} --build"),
        (("", ""), f"{UP} --pull missing"),
        ((_NEVER, "pull_policy: always"), f"{UP} --pull never"),
        ((_NEVER, "build: ."), UP),
    ],
    indirect=["edited"],
)
def test_one_that_is_there_already_is_no_other(
    edited: Path, words: str, docker_sandbox: DockerSandbox, judged: Judged
) -> None:
    assert edited.exists()
    judgement = judged(["compose", *words.split()])
    assert (judgement.effect, judgement.unknown) == (Effect.READS, "")


def test_another_image_below_the_data_changes_it(docker_sandbox: DockerSandbox, judged: Judged) -> None:
    docker_sandbox.build()
    docker_sandbox.engine.docker("tag", "ledgerflow-system:tests", "postgres:18")
    whole = docker_sandbox.file.read_text()
    docker_sandbox.file.write_text(
        whole.replace("ledgerflow-system:tests", "postgres:18", 1).replace(
            '["sleep", "infinity"]', '["postgres"]', 1
        )
    )
    judgement = judged(["compose", *UP.split()])
    docker_sandbox.engine.docker("image", "rm", "postgres:18")  # of two names, a prune would take either
    docker_sandbox.build()
    assert any("runs postgres:18 on the data of" in touch.what for touch in judgement.impacts)
    assert judgement.effect == Effect.UNCERTAIN


@pytest.mark.parametrize("text", ["services: [", "services:\n  a: {image: ''}\nvolumes: 7\n"])
def test_a_file_that_cannot_be_read_is_not_let_through(
    text: str, docker_sandbox: DockerSandbox, judged: Judged
) -> None:
    docker_sandbox.build()
    docker_sandbox.file.write_text(text)
    judgement = judged(["compose", *UP.split()])
    docker_sandbox.build()
    assert judgement.unknown or judgement.effect == Effect.DESTROYS


_STREAMED = "the compose file comes through standard input"
_ALL = "-f docker-compose.dev.yml"
_INCLUDED = "include: [{path: [docker-compose.dev.yml, /dev/stdin]}]"
_BY_VARIABLES = "include: [{path: docker-compose.dev.yml, env_file: /dev/stdin}]"
_WIPES = f'services: {{postgres: {{command: ["sh", "-c", "rm -rf {DATA}/base; sleep infinity"]}}}}'
_HOOKED = f'services: {{postgres: {{pre_stop: [{{command: ["rm", "-rf", "{DATA}/base"]}}]}}}}'


@pytest.mark.parametrize(
    ("words", "whole", "data"),
    [
        (f"{_ALL} -f - up -d", "", _WIPES),
        (f"{_ALL} -f /dev/stdin up -d", "", _WIPES),
        ("-f whole.yml up -d", _INCLUDED, _WIPES),
        ("-f whole.yml up -d", _BY_VARIABLES, "BOOKS=ledger_redis"),
        (f"{_ALL} -f /dev/fd/0 stop", "", _HOOKED),
    ],
)
def test_what_comes_through_standard_input_is_not_let_through(
    words: str, whole: str, data: str, docker_sandbox: DockerSandbox, judged: Judged
) -> None:
    """In whatever way it is taken in: the questions that we ask would not see it."""
    docker_sandbox.build()
    docker_sandbox.file.write_text(
        docker_sandbox.file.read_text().replace("ledger_postgres:/", "${BOOKS:-ledger_postgres}:/")
    )
    (docker_sandbox.folder / "whole.yml").write_text(f"name: ledger-dev\n{whole}\n")
    typed = ["compose", *words.split()]
    judgement, before = judged(typed), docker_sandbox.content()
    docker_sandbox.engine.docker(*typed, check=False, data=data.encode(), cwd=docker_sandbox.folder)
    form = "{{range .Mounts}}{{.Name}}{{end}}"
    held = (
        docker_sandbox.engine.docker("inspect", "--format", form, "ledger-dev-postgres-1")
        .stdout.decode()
        .strip()
    )
    lost = docker_sandbox.content() != before or held != "ledger-dev_ledger_postgres"
    docker_sandbox.engine.docker("rm", "--force", "ledger-dev-postgres-1")
    docker_sandbox.build()
    assert (judgement.unknown, lost) == (_STREAMED, True)


_PRE_STOP = f'    pre_stop: [{{command: ["rm", "-rf", "{DATA}/base"]}}]\n'
_UNBOUND = '    pre_stop: [{command: ["true"], privileged: true}]\n'


@pytest.mark.parametrize("verb", ["stop postgres", "restart", "down", "rm --stop --force"])
def test_a_hook_that_wipes_the_data_when_it_is_stopped(
    verb: str, docker_sandbox: DockerSandbox, judged: Judged
) -> None:
    """Compose takes the hook from the file, for a container that was made before it was there."""
    docker_sandbox.build()
    docker_sandbox.file.write_text(docker_sandbox.file.read_text().replace(_TOP, f"{_TOP}{_PRE_STOP}"))
    words = ["compose", *_ALL.split(), *verb.split()]
    judgement, before = judged(words), docker_sandbox.content()
    run(docker_sandbox, words)
    lost = docker_sandbox.content() != before
    docker_sandbox.engine.docker(
        "rm", "--force", "ledger-dev-postgres-1"
    )  # this engine runs no hook twice in one
    docker_sandbox.build()
    assert (judgement.effect, lost) == (Effect.DESTROYS, True)


def test_a_hook_is_judged_where_it_is_run(docker_sandbox: DockerSandbox, judged: Judged) -> None:
    docker_sandbox.build()
    whole = docker_sandbox.file.read_text()
    docker_sandbox.file.write_text(whole.replace(_TOP, f"{_TOP}{_PRE_STOP}"))
    for verb in ("kill", "start", "stop redis", "rm --force", "pause"):
        assert judged(["compose", *_ALL.split(), *verb.split()]).effect == Effect.READS, verb
    docker_sandbox.file.write_text(
        whole.replace(_TOP, f"{_TOP}{_PRE_STOP.replace('pre_stop', 'post_start')}")
    )
    for verb, effect in (("start", Effect.DESTROYS), ("restart", Effect.DESTROYS), ("stop", Effect.READS)):
        assert judged(["compose", *_ALL.split(), verb]).effect == effect, verb
    docker_sandbox.file.write_text(whole.replace(_REDIS, f"{_REDIS}{_UNBOUND}"))
    assert judged(["compose", *_ALL.split(), "stop"]).effect == Effect.DESTROYS
    docker_sandbox.build()


class TestDryRun:
    """`--dry-run`, tried: what it leaves undone is let through."""

    @pytest.mark.parametrize(
        "words",
        [
            f"{_ALL} --dry-run down -v",
            f"{_ALL} --dry-run=true down --volumes",
            "-p ledger-dev --dry-run down -v",
            f"{_ALL} down -v --dry-run",
            f"{_ALL} --dry-run=false down --dry-run=1 -v",
            f"{_ALL} --dry-run rm -sfv",
            f"{_ALL} stop --dry-run",
            f"{_ALL} --dry-run kill",
        ],
    )
    def test_it_leaves_all_as_it_is(self, words: str, docker_sandbox: DockerSandbox, judged: Judged) -> None:
        docker_sandbox.build()
        typed = ["compose", *words.split()]
        assert judged(typed).effect == Effect.READS
        before, there = docker_sandbox.content(), docker_sandbox.engine.docker("ps", "--quiet").stdout
        run(docker_sandbox, typed)
        assert (docker_sandbox.content(), docker_sandbox.engine.docker("ps", "--quiet").stdout) == (
            before,
            there,
        )

    @pytest.mark.parametrize(
        "words",
        [
            f"{_ALL} --dry-run=false down -v",
            f"{_ALL} --dry-run down -v --dry-run=false",
            f"{_ALL} --dry-run --dry-run=0 down -v",
            f"{_ALL} --dry-run config -o backups/kept",
        ],
    )
    def test_it_does_not_always_hold(self, words: str, docker_sandbox: DockerSandbox, judged: Judged) -> None:
        docker_sandbox.build()
        typed = ["compose", *words.split()]
        assert judged(typed).effect == Effect.DESTROYS
        before = docker_sandbox.content()
        run(docker_sandbox, typed)
        lost = docker_sandbox.content() != before
        docker_sandbox.build()
        assert lost

    def test_what_is_not_the_same_in_every_release_is_judged_as_if_it_were_meant(
        self, docker_sandbox: DockerSandbox, judged: Judged
    ) -> None:
        docker_sandbox.build()
        edited = docker_sandbox.file.read_text().replace("ledger_postgres", "ledger_postgres_17")
        docker_sandbox.file.write_text(edited)
        judgement = judged(["compose", *_ALL.split(), "--dry-run", "up", "-d"])
        docker_sandbox.build()
        assert judgement.effect == Effect.DESTROYS


def test_a_file_that_only_the_projects_own_variables_name(
    docker_sandbox: DockerSandbox, judged: Judged
) -> None:
    docker_sandbox.build()
    (docker_sandbox.folder / ".env").write_text('COMPOSE_FILE="docker-compose.dev.yml"\n')
    judgement = judged(["compose", "-p", "ledger", "up", "-d"])
    (docker_sandbox.folder / ".env").unlink()
    assert any("beside ledger-dev" in touch.what for touch in judgement.impacts)


_OURS = f'labels: {{com.ledgerflow.environment: dev}}, volumes: ["{DATA}"]'


@pytest.mark.parametrize(
    ("words", "by_variable", "lost"),
    [("up -d", "1", True), ("run --rm --remove-orphans b true", "", True), ("run --rm b true", "1", False)],
)
def test_a_service_that_the_file_no_longer_has(
    words: str,
    by_variable: str,
    lost: bool,
    docker_sandbox: DockerSandbox,
    judged: Judged,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its container is removed, and with it the only reference to its anonymous volume."""
    docker_sandbox.build()
    plain = f"image: {image.SYSTEM}, network_mode: none"
    other = f'  b: {{{plain}, command: ["true"]}}\n'
    base = f'  a: {{{plain}, init: true, command: ["sleep", "infinity"], {_OURS}}}\n'
    for name, services in (("before.yml", base + other), ("after.yml", other)):
        (docker_sandbox.folder / name).write_text(f"name: more\nservices:\n{services}")
    docker_sandbox.engine.docker("compose", "-f", "before.yml", "up", "-d", cwd=docker_sandbox.folder)
    monkeypatch.setenv("COMPOSE_REMOVE_ORPHANS", by_variable)
    typed = ["compose", "-f", "after.yml", *words.split()]
    judgement = judged(typed)
    run(docker_sandbox, typed)
    gone = "more-a-1" not in docker_sandbox.engine.names("container")
    docker_sandbox.engine.docker(
        "compose", "-f", "before.yml", "down", "-v", "-t", "0", cwd=docker_sandbox.folder
    )
    assert (judgement.effect == Effect.DESTROYS, gone) == (lost, lost)
