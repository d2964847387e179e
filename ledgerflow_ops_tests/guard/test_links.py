"""`docker cp` through links inside a container: where they lead is where it writes."""

import io
import tarfile

import pytest

from ledgerflow_ops.guard.effects import Effect
from ledgerflow_ops_tests.fakes.docker_sandboxes import DATA, DockerSandbox
from ledgerflow_ops_tests.guard.conftest import Judged, run

_FILE = "docker-compose.dev.yml"


def _linked(docker_sandbox: DockerSandbox, container: str) -> None:
    """Links in the container's /tmp: to the data, to a file of it, by two steps, and to nothing of ours."""
    docker_sandbox.build()
    for name, leads in (
        ("data", DATA),
        ("version", f"{DATA}/PG_VERSION"),
        ("again", "/tmp/data"),
        ("etc", "/etc"),
    ):
        link = docker_sandbox.folder / "links" / name
        link.parent.mkdir(exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(leads)
        docker_sandbox.engine.docker("cp", link, f"{container}:/tmp/{name}")


@pytest.mark.parametrize(
    "words",
    [
        f"cp {_FILE} olddb:/tmp/data/PG_VERSION",
        f"cp {_FILE} olddb:/tmp/version",
        f"cp {_FILE} olddb:tmp/./again/base/1",
        f"compose -f {_FILE} cp {_FILE} postgres:/tmp/again/PG_VERSION",
        "cp - olddb:/tmp",
    ],
)
def test_it_really_writes_there_and_is_seen(
    words: str, docker_sandbox: DockerSandbox, judged: Judged
) -> None:
    container = "olddb" if "olddb" in words else "ledger-dev-postgres-1"
    _linked(docker_sandbox, container)
    typed = words.split()
    judgement, before = judged(typed), docker_sandbox.content()
    if "-" in typed:
        docker_sandbox.engine.docker(*typed, data=_archive())
    else:
        run(docker_sandbox, typed)
    lost = docker_sandbox.content() != before
    docker_sandbox.engine.docker("rm", "--force", container)
    docker_sandbox.build()
    assert (judgement.effect, lost) == (Effect.UNCERTAIN, True)


def _archive() -> bytes:
    """A link to the data, and a file that is written through it."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        link = tarfile.TarInfo("inside")
        link.type, link.linkname = tarfile.SYMTYPE, DATA
        archive.addfile(link)
        file = tarfile.TarInfo("inside/PG_VERSION")
        file.size = 3
        archive.addfile(file, io.BytesIO(b"16\n"))
    return held.getvalue()


def test_containers_without_protected_data_are_not_looked_into(judged: Judged) -> None:
    for words in (["cp", _FILE, "web:/tmp/data"], ["cp", "-", "web:/tmp"]):
        assert judged(words).effect == Effect.READS
