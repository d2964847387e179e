"""deploy/: the image is built, runs beside LedgerFlow's project, backs it up, and shows that in the page.

The engine of the tests has no network: an override puts all services on the loopback of LedgerFlow's
PostgreSQL, with one more address in place of a bridge's, and the base image is made from this machine's
packages.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledgerflow_ops.places import PROJECT
from ledgerflow_ops_tests.fakes import contained as containers
from ledgerflow_ops_tests.fakes import image, python_image, sandboxes
from ledgerflow_ops_tests.fakes.contained import ContainerSandbox
from ledgerflow_ops_tests.fakes.engine import Engine

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1200)]

_IMAGE = "ledgerflow-ops:tests"
_ACCOUNT = 10001
_LONG = 600.0
_OVERRIDE = """\
services:
  storage:
    pull_policy: never
    command: ["postgres", "-c", "port=5433", "-c", "fsync=off"]
    network_mode: "container:{postgres}"
    networks: !reset null
    healthcheck:
      test: ["CMD", "pg_isready", "--quiet", "--port=5433", "--username=dagster", "--host=127.0.0.1"]
  ledgerflow:
    pull_policy: never
    network_mode: "container:{postgres}"
    networks: !reset null
    ports: !reset null
    security_opt: !reset null
    environment:
      LEDGER_DEV_SCHEDULED: "false"  # the daemon would take the day's backup as soon as it is up
networks: !reset null
"""
_OUTSIDE = "10.9.8.7"
"""The container's address on its network: where Docker passes a published port on to."""
_FORWARDED = r"""
import http.client, json, sys
from urllib.parse import urlsplit
outside, link = sys.argv[1], urlsplit(sys.argv[2])

def ask(address, method, path, cookie="", body=None):
    connection = http.client.HTTPConnection(address, link.port, timeout=60)
    origin = f"http://{link.netloc}"
    headers = {"Host": link.netloc, "Origin": origin, "Content-Type": "application/json", "Cookie": cookie}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.getheader("Set-Cookie") or "", answer.read()

query = json.dumps({"query": "{version}"})
refused, _, _ = ask(outside, "POST", "/graphql", body=query)
_, cookie, _ = ask(outside, "GET", f"{link.path}?{link.query}")
status, _, version = ask(outside, "POST", "/graphql", cookie.partition(";")[0], query)
large = json.dumps({"query": "{__schema {types {name description fields {name description}}}}"})
whole = [
    ask(address, "POST", "/graphql", cookie.partition(";")[0], large)[2] for address in (outside, "127.0.0.1")
]
print(json.dumps({"refused": refused, "status": status, "version": version.decode(),
                  "sizes": [len(text) for text in whole], "equal": whole[0] == whole[1]}))
"""
_IN_PAGE = r"""
import http.cookiejar, json, urllib.request
from subprocess import run
link = json.loads(run(["ledgerflow", "up", "--json"], capture_output=True, check=True).stdout)["link"]
opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
opener.open(link).read()
query = '''{assetNodes {assetKey {path} partitionStats {numMaterialized}}
    runsOrError {... on Runs {results {status jobName}}}}'''
origin = link.partition("/login")[0]
headers = {"content-type": "application/json", "origin": origin}
request = urllib.request.Request(origin + "/graphql", json.dumps({"query": query}).encode(), headers)
print(opener.open(request).read().decode())
"""


@dataclass(frozen=True)
class Deployed:
    """The folder deploy/ as a person fills it, on an engine beside LedgerFlow's project."""

    engine: Engine
    folder: Path
    process: int
    """A process whose network is that of the services."""

    def compose(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        files = ["-f", str(self.folder / "compose.yaml"), "-f", str(self.folder / "override.yaml")]
        variables = {"STORAGE_IMAGE": image.NAME, "LEDGERFLOW_OPS_IMAGE": _IMAGE}
        return self.engine.docker("compose", *files, *words, check=check, variables=variables, timeout=_LONG)

    def run(self, *words: str, check: bool = True) -> str:
        """Run a command in the container of the page and the daemon; its standard output."""
        done = self.compose("exec", "-T", "-e", "LEDGER_ENV=dev", "ledgerflow", *words, check=check)
        return done.stdout.decode()

    def beside(self, *words: str | Path) -> str:
        """Run a program of this machine in the network of the services; its standard output."""
        command = ["nsenter", f"--target={self.process}", "--net", *map(str, words)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def built(engine: Engine, session_root: Path) -> None:
    """The image of deploy/Dockerfile, on a base that has the packages."""
    with sandboxes.temporary_folder(session_root) as folder:
        base, context = folder / "python.tar", folder / "dist"
        python_image.build(base)
        path = f"ENV PATH={python_image.search_path()} LANG=C.UTF-8"
        engine.docker("import", "--change", path, base, python_image.NAME, timeout=_LONG)
        subprocess.run(["make", "-s", "wheel", f"INTO={context}"], cwd=PROJECT, check=True)
        options = ("BASE=" + python_image.NAME, "PIP_OPTIONS=--no-index")
        arguments = [word for option in options for word in ("--build-arg", option)]
        file = PROJECT / "deploy" / "Dockerfile"
        engine.docker(
            "build", "--network=none", *arguments, "-f", file, "-t", _IMAGE, context,
            variables={"DOCKER_BUILDKIT": "0"}, timeout=_LONG,
        )  # fmt: skip


@pytest.fixture(scope="module")
def contained(engine: Engine, session_root: Path) -> Iterator[ContainerSandbox]:
    """LedgerFlow in a container of the engine, for all tests of this module."""
    with (
        sandboxes.temporary_folder(session_root) as folder,
        containers.container_sandbox(engine, folder) as found,
    ):
        yield found


@pytest.fixture(scope="module")
def deployed(built: None, contained: ContainerSandbox, engine: Engine) -> Iterator[Deployed]:
    """All that deploy/README.md asks for, with dev in prod's place. The last test takes it down."""
    project, folder = contained.project, contained.root / "deploy"
    shutil.copytree(PROJECT / "deploy", folder)
    compose = (folder / "compose.yaml").read_text().replace("LEDGER_PROD_DATABASE", "LEDGER_DEV_DATABASE")
    (folder / "compose.yaml").write_text(compose)
    (folder / "override.yaml").write_text(_OVERRIDE.format(postgres=project.container))
    secrets = folder / "secrets"
    secrets.mkdir(mode=0o711)
    written = {
        "storage_password": "st0rage-secret",
        "storage_url": "postgresql://dagster:st0rage-secret@127.0.0.1:5433/dagster",
        "prod_database_url": f"postgresql://{project.user}:{project.password}@127.0.0.1:5432/{project.database}",
    }
    for name, text in written.items():
        (secrets / name).write_text(text + "\n")
        (secrets / name).chmod(0o400)
        os.chown(secrets / name, _ACCOUNT, _ACCOUNT)
    form = "{{.State.Pid}} {{.Config.Hostname}}"
    process, host = engine.docker("inspect", "--format", form, project.container).stdout.decode().split()
    found = Deployed(engine, folder, int(process))
    found.beside("ip", "address", "add", f"{_OUTSIDE}/32", "dev", "lo")
    named = f'echo "{_OUTSIDE} {host}" >> /etc/hosts'  # as Docker does on a bridge
    engine.docker("exec", "--user=0", project.container, "sh", "-c", named)
    started = found.compose("up", "--detach", "--wait", check=False)
    said = started.stderr.decode() + found.compose("logs", check=False).stdout.decode()
    assert started.returncode == 0, said
    try:
        yield found
    finally:
        found.compose("down", "--timeout", "60", check=False)


def test_a_containerised_ledgerflow_is_backed_up_proven_and_seen_in_the_page(deployed: Deployed) -> None:
    made = deployed.run("ledgerflow", "backup")
    assert "PROVEN: valid" in made, made
    assert "SAMPLE" not in made
    page = json.loads(deployed.run("python3", "-c", _IN_PAGE))["data"]
    nodes = {"/".join(node["assetKey"]["path"]): node for node in page["assetNodes"]}
    for asset in ("dev/dump", "dev/drill"):
        assert nodes[asset]["partitionStats"]["numMaterialized"] == 1, nodes[asset]
    assert "SUCCESS" in {run["status"] for run in page["runsOrError"]["results"]}

    states = json.loads(deployed.compose("ps", "--format", "json", "ledgerflow").stdout)
    assert states["Health"] == "healthy"
    assert deployed.run("id", "-u").strip() == str(_ACCOUNT)
    checks = json.loads(deployed.run("ledgerflow", "doctor", "--json"))["checks"]
    assert [check for check in checks if check["severity"] == "ERROR" and not check["passed"]] == []
    assert [check["passed"] for check in checks if check["name"] == "secrets"] == [True]
    secret = deployed.run("sh", "-c", "cat /proc/1/environ") + deployed.compose("logs").stdout.decode()
    for word in ("st0rage-secret", "dev-secret", "token="):
        assert word not in secret


def test_a_connection_to_the_published_port_reaches_the_page(deployed: Deployed) -> None:
    """Docker passes it on to the address of the container, serve.py to the page on the loopback."""
    link = json.loads(deployed.run("ledgerflow", "up", "--json"))["link"]
    names = "import socket; print(socket.gethostname(), socket.gethostbyname(socket.gethostname()))"
    assert _OUTSIDE in deployed.run("python3", "-c", names)
    found = json.loads(deployed.beside(sys.executable, "-c", _FORWARDED, _OUTSIDE, link))
    assert found["refused"] in (401, 403), "without the link nobody gets in"
    assert found["status"] == 200
    assert "1.13.27" in found["version"]
    assert found["sizes"][0] > 65536
    assert found["equal"], found["sizes"]


def test_the_page_is_published_on_loopback_alone_and_the_volumes_are_guarded(deployed: Deployed) -> None:
    written = deployed.engine.docker(
        "compose", "-f", deployed.folder / "compose.yaml", "config", "--format", "json"
    )
    settings = json.loads(written.stdout)
    ports = [port for service in settings["services"].values() for port in service.get("ports", ())]
    assert [(port["host_ip"], port["published"]) for port in ports] == [("127.0.0.1", "3070")]
    guard = Path(sys.executable).parent / "ledger_docker"
    volumes = sorted(volume["name"] for volume in settings["volumes"].values())
    assert volumes == [
        "ledgerflow_ops_backups",
        "ledgerflow_ops_state",
        "ledgerflow_ops_storage_postgres_data",
    ]
    deployed.compose("down")
    variables = {"LEDGER_ENV": "dev", "LEDGER_STATE_DIR": str(deployed.folder.parent / "state")}
    for volume in volumes:
        refused = deployed.engine.docker(
            "volume", "rm", volume, client=guard, check=False, variables=variables
        )
        assert refused.returncode == 3, refused.stderr
    assert set(volumes) <= deployed.engine.names("volume")
