"""Containers without isolation: what they do to the data of others, really carried out.

`--privileged` needs every capability that there is; where the tests themselves have not got them, the engine
says so, and the refusal alone is shown.
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerflow_ops.guard.effects import Effect
from ledgerflow_ops_tests import needs
from ledgerflow_ops_tests.fakes import image
from ledgerflow_ops_tests.fakes.docker_sandboxes import DATA, DockerSandbox
from ledgerflow_ops_tests.guard.conftest import Judged

_ALONE = "run --rm --network none"
_POSTGRES = "ledger-dev-postgres-1"
_NSENTER = "--cap-add SYS_ADMIN -v NSENTER:/nsenter:ro IMAGE"
_OPTIONS = "-o type=ext4 -o device={}"
_NO_POWERS = b"unable to apply caps"


@pytest.mark.parametrize(
    "words",
    [
        f"{_ALONE} --pid container:{_POSTGRES} IMAGE rm -rf /proc/1/root{DATA}/base",
        f"{_ALONE} --pid=host IMAGE rm -rf /proc/PID/root{DATA}/base",
        f"{_ALONE} --pid=container:{_POSTGRES} {_NSENTER} /nsenter -t 1 -m rm -rf {DATA}/base",
        f"{_ALONE} -v /proc:/p:ro IMAGE rm -rf /p/PID/root{DATA}/base",
        f"{_ALONE} -v SOCKET:/var/run/docker.sock -v CLIENT:/docker:ro IMAGE /docker volume rm loose",
        f"{_ALONE} --volumes-from {_POSTGRES} IMAGE rm -rf {DATA}/base",
        f"{_ALONE} --privileged --pid=host IMAGE rm -rf /proc/PID/root{DATA}/base",
        f"exec --privileged {_POSTGRES} rm -rf {DATA}/base",
    ],
)
def test_it_reaches_the_data_and_is_seen(words: str, docker_sandbox: DockerSandbox, judged: Judged) -> None:
    docker_sandbox.build()
    form = "{{.State.Pid}}"
    places = {
        "PID": docker_sandbox.engine.docker("inspect", "--format", form, _POSTGRES).stdout.decode().strip(),
        "IMAGE": image.SYSTEM,
        "SOCKET": docker_sandbox.engine.host.removeprefix("unix://"),
        "CLIENT": str(docker_sandbox.engine.client),
        "NSENTER": shutil.which("nsenter") or "",
    }
    for name, place in places.items():
        words = words.replace(name, place)
    judgement, before = judged(words.split()), docker_sandbox.content()
    said = docker_sandbox.engine.docker(*words.split(), check=False, cwd=docker_sandbox.folder)
    lost = docker_sandbox.content() != before
    docker_sandbox.build()
    assert judgement.effect == Effect.DESTROYS
    assert lost or ("--privileged" in words and _NO_POWERS in said.stdout + said.stderr), said


@pytest.mark.parametrize("words", ["exec --privileged idle true", f"{_ALONE} --privileged IMAGE true"])
def test_what_is_privileged_is_refused_with_a_harmless_program_too(words: str, judged: Judged) -> None:
    assert judged(words.replace("IMAGE", image.SYSTEM).split()).effect == Effect.DESTROYS


@pytest.fixture
def disk(docker_sandbox: DockerSandbox) -> Iterator[tuple[str, Path]]:
    """A disk in a file, with a labelled volume on it: the device, and the file."""
    file = docker_sandbox.folder / "disk"
    file.write_bytes(b"\0" * 4 * 1024 * 1024)
    subprocess.run([needs.program("mkfs.ext4", "mke2fs"), "-q", "-F", file], check=True)
    made = subprocess.run([needs.program("losetup"), "-f", "--show", file], capture_output=True, check=False)
    if made.returncode:
        needs.missing(f"no file can be made a disk here: {made.stderr.decode().strip()}")
    device = made.stdout.decode().strip()
    options = _OPTIONS.format(device).split()
    try:
        docker_sandbox.engine.docker(
            "volume", "create", "--label", "com.ledgerflow.protect=true", *options, "disk"
        )
        yield device, file
        docker_sandbox.engine.docker("volume", "rm", "disk")
    finally:
        subprocess.run(["losetup", "-d", device], check=True)
        file.unlink()


def test_the_disk_that_a_volume_is_on(
    disk: tuple[str, Path], docker_sandbox: DockerSandbox, judged: Judged
) -> None:
    device, file = disk
    before = file.read_bytes()
    words = (
        f"{_ALONE} --device {device} {image.SYSTEM} dd if=/dev/zero of={device} bs=4096 count=1024".split()
    )
    assert judged(words).effect == Effect.DESTROYS
    docker_sandbox.engine.docker(*words)
    assert file.read_bytes() != before


def test_a_volume_of_the_disk_that_the_backups_are_on(
    disk: tuple[str, Path], docker_sandbox: DockerSandbox, judged: Judged
) -> None:
    docker_sandbox.build()
    create = ["volume", "create", *_OPTIONS.format(disk[0]).split(), "alias"]
    assert judged(create).effect == Effect.READS
    subprocess.run(["mount", disk[0], docker_sandbox.backups], check=True)
    try:
        (docker_sandbox.backups / "kept").write_text("a backup")
        made, before = judged(create), docker_sandbox.content()
        docker_sandbox.engine.docker(*create)
        words = f"{_ALONE} -v alias:/x {image.SYSTEM} rm /x/kept".split()
        handed = judged(words)
        docker_sandbox.engine.docker(*words)
        lost = docker_sandbox.content() != before
    finally:
        docker_sandbox.engine.docker("volume", "rm", "alias", check=False)
        subprocess.run(["umount", docker_sandbox.backups], check=True)
        docker_sandbox.build()
    assert (made.effect, handed.effect, lost) == (Effect.DESTROYS, Effect.DESTROYS, True)


@pytest.mark.parametrize("folder", ["/run/containerd/containerd.sock", "/var/run/docker", "/run"])
def test_the_engine_below_the_engine(folder: str, judged: Judged) -> None:
    assert judged(f"{_ALONE} -v {folder}:/x:ro {image.SYSTEM} true".split()).effect == Effect.DESTROYS
