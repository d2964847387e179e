"""An engine with objects to judge commands on, and the judging as the wrapper does it."""

from collections.abc import Callable, Iterator, Sequence

import pytest

from ledgerflow_ops.guard.command_line.parse import parse
from ledgerflow_ops.guard.effects import Judgement
from ledgerflow_ops.guard.model import ConfiguredProtection
from ledgerflow_ops.guard.pipeline import examined
from ledgerflow_ops.guard.resolve import EngineClient
from ledgerflow_ops_tests.fakes import image
from ledgerflow_ops_tests.fakes.docker_sandboxes import DockerSandbox
from ledgerflow_ops_tests.fakes.engine import Engine

Judged = Callable[[Sequence[str]], Judgement]


@pytest.fixture(scope="module")
def docker_sandbox(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerSandbox]:
    """The yard, built; the commands typed here reach its engine."""
    folder = tmp_path_factory.mktemp("yard")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in engine.environment().items():
            patch.setenv(name, value)
        patch.chdir(folder)
        made = DockerSandbox(engine, folder)
        made.build()
        yield made
        engine.clear()
        if image.NAME not in engine.names("image"):  # a prune of all images takes what nothing runs
            builder = {"DOCKER_BUILDKIT": "0"}
            engine.docker("build", "-t", image.NAME, "-", data=image.dockerfile().encode(), variables=builder)


@pytest.fixture
def judged(docker_sandbox: DockerSandbox) -> Judged:
    """The judgement on a command line, asked of the engine as it is now."""

    def ask(words: Sequence[str]) -> Judgement:
        call = parse("docker", words)
        guarded = ConfiguredProtection(volumes=frozenset({"attic"}), folders=(str(docker_sandbox.backups),))
        return examined(EngineClient(docker_sandbox.engine.client, call), lambda _: guarded)[1]

    return ask


def run(docker_sandbox: DockerSandbox, words: Sequence[str]) -> int:
    """Really run it, with nothing to read; one that does not end is ended. Its exit code."""
    try:
        return docker_sandbox.engine.docker(
            *words, check=False, timeout=10, cwd=docker_sandbox.folder
        ).returncode
    except Exception:  # noqa: BLE001 - whatever becomes of it, the volumes are what is looked at
        return -1
