"""Measures medians and ratios against plain pg_dump and pg_restore, side by side in one run.

    make bench                      all of it, on a 1 GB ledger (about ten minutes on two cores)
    make bench ARGS="--gigabytes 0.1 --rounds 1"
    make bench ARGS="--only sample"   or ledger, docker, sensors, imports, status, anomalies, uploads
    make bench ARGS="--only idle"     what `make up` costs at rest (five minutes)
    make bench ARGS="--only setup"    a first `make backup`; only when it is named, for it downloads a lot

Each figure stands beside the limit it is held to; the exit code is 1 when one is missed.
"""

import argparse
import json
import os
import pwd
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil
from rich.table import Table

from ledgerflow_ops import sample
from ledgerflow_ops.adapters.cluster.cluster import Cluster, free_port, new_password
from ledgerflow_ops.adapters.cluster.server_home import ServerHome, make_server_home
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.adapters.storage import age_keys
from ledgerflow_ops.adapters.system import clock, process
from ledgerflow_ops.adapters.system.server_account import make_owned_folder
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.operation_requests import BackupRequest
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops.operations.verification.examination import Examination
from ledgerflow_ops_tests import bench_objects, bench_upkeep, builders
from ledgerflow_ops_tests.bench_figures import (
    PROJECT,
    Figure,
    console,
    listed,
    processor_of_children,
    ratio,
    timed,
)
from ledgerflow_ops_tests.builders import NOON, backup_folder_of
from ledgerflow_ops_tests.e2e.bare_machine import bare_machine, commit_project
from ledgerflow_ops_tests.e2e.commands import CommandResult
from ledgerflow_ops_tests.fakes import backup_tables, neighbours
from ledgerflow_ops_tests.fakes import engine as engines

_MIB = 1024**2


@dataclass
class Memory:
    """A Reporter that watches how far our own process grows from the moment the stream begins."""

    before: int = 0
    peak: int = 0
    _self: psutil.Process = field(default_factory=psutil.Process)

    def step(self, step: Step) -> None:
        if step is Step.DUMP:
            self.before = self.peak = self._self.memory_info().rss

    def moved(self, done: int, expected: int | None) -> None:
        self.peak = max(self.peak, self._self.memory_info().rss)

    def counted(self, done: int, of: int, what: str) -> None:
        pass

    def say(self, message: str) -> None:
        console.print(message)

    def printed(self, line: str) -> None:
        pass

    @property
    def growth(self) -> float:
        """MiB above what the process had before."""
        return (self.peak - self.before) / _MIB


def program(*command: str | Path, **options: object) -> None:
    """Run a program that must end well."""
    finished = process.run(command, **options)  # type: ignore[arg-type]
    if finished.code:
        raise SystemExit(f"{command[0]} failed: {finished.errors}")


@contextmanager
def default_cluster(place: ServerHome, root: Path) -> Iterator[Database]:
    """A new server with PostgreSQL's own settings, as a plain user would have it."""
    folder = root / secrets.token_hex(4)
    make_owned_folder(place.account, folder)
    cluster, password = (
        Cluster(folder / "data", place.programs(client_tools.bundled_tools()), place.account),
        new_password(),
    )
    cluster.make("postgres", encoding="UTF8", options={"locale": "C"}, password=password)
    port = free_port()
    cluster.start({"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "port": str(port)})
    where = {"host": "127.0.0.1", "port": str(port), "user": "postgres", "password": password}
    try:
        yield Database({**where, "dbname": "postgres"})
    finally:
        cluster.remove()
        shutil.rmtree(folder, ignore_errors=True)


def made(server: Database, name: str) -> Database:
    """A new database of `server`."""
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
    return server.named(name)


def ledger(root: Path, gigabytes: float, rounds: int) -> list[Figure]:
    """Backup and drill of a generated ledger against pg_dump -Fc and pg_restore -j1."""
    place, programs = make_server_home(root / "state"), client_tools.bundled_tools()
    with default_cluster(place, root) as server:
        source = made(server, "ledger")
        with source.connect() as connection:
            sample.install(connection)
        with console.status(f"growing a ledger of {gigabytes} GB"), source.connect() as connection:
            spent = timed(lambda: sample.grow(connection, int(gigabytes * 1000**3)))
        console.print(f"a ledger of {gigabytes} GB of table data, grown in {spent:.0f} s")
        plain, ours, memory = root / "plain.dump", [], Memory()
        theirs: list[float] = []
        env = builders.env(root, source, reporter=memory, full_seal_below=0)
        encrypting, encrypted_memory = list[float](), Memory()
        recipients = [age_keys.new_identity()[1]]
        encrypts = builders.env(
            root / "encrypted", source, reporter=encrypted_memory, full_seal_below=0, recipients=recipients
        )
        names: list[str] = []
        command = (programs.path("pg_dump"), "-Fc", "-f", plain)
        for turn in range(rounds):
            plain.unlink(missing_ok=True)
            theirs.append(timed(partial(program, *command, extra=source.variables())))
            names.append(f"bench{turn}.dump")
            ours.append(timed(partial(backup.backup, env, BackupRequest(file=names[-1]))))
            encrypting.append(timed(partial(backup.backup, encrypts, BackupRequest(file=names[-1]))))
            backup_folder_of(encrypts).file(f"{names[-1]}.age").unlink()
            console.print(
                f"  backup: pg_dump -Fc {theirs[-1]:.1f} s, sealed and decoded {ours[-1]:.1f} s, "
                f"encrypted as well {encrypting[-1]:.1f} s"
            )
        file = backup_folder_of(env).file(names[-1])
        figures = [
            Figure("sealed, hashed, decoded backup / pg_dump -Fc", ratio(ours, theirs), 0.35),
            Figure("the same encrypted / pg_dump -Fc", ratio(encrypting, theirs), 0.38),
            Figure("its file / pg_dump -Fc's", file.stat().st_size / plain.stat().st_size, 1.0),
            Figure("our process above what it had", memory.growth, 64, "MiB"),
            Figure("the same when it encrypts", encrypted_memory.growth, 96, "MiB"),
        ]
        for extra in names[:-1]:
            backup_folder_of(env).file(extra).unlink()
        return figures + _drills(root, env, names[-1], plain, place, rounds)


def _drills(
    root: Path, env: EnvironmentContext, name: str, plain: Path, place: ServerHome, rounds: int
) -> list[Figure]:
    theirs, ours = [], []
    programs = client_tools.bundled_tools()
    for _ in range(rounds):
        with default_cluster(place, root) as server:
            roles(server)
            target = made(server, "bare")
            command = (programs.path("pg_restore"), "-j1", "-d", "bare", plain)
            theirs.append(timed(partial(program, *command, extra=target.variables())))
        found: list[Examination] = []
        ours.append(timed(lambda: found.append(drill.drill(env, BackupName.of(name)))))  # noqa: B023
        [examination] = found
        if examination.rung is not Rung.VALID:
            raise SystemExit(f"the drill ended at {examination.rung}: {examination.bad}")
        phases = ", ".join(f"{key} {value:.1f}" for key, value in examination.watch.durations.items())
        console.print(f"  drill: pg_restore -j1 {theirs[-1]:.1f} s, ours {ours[-1]:.1f} s ({phases})")
    return [Figure("drill with full comparison / bare pg_restore -j1", ratio(ours, theirs), 0.80)]


def roles(server: Database) -> None:
    """The roles that the sample's objects belong to, for the bare restore."""
    with server.connect() as connection:
        for role in ("ledgerflow_app", "ledgerflow_readonly"):
            connection.execute(f"CREATE ROLE {role}".encode())


def warm(root: Path, rounds: int) -> list[Figure]:
    """A warm `make backup` of the sample with its drill against `python -c 'import dagster'`."""
    variables = {
        **os.environ,
        "LEDGER_ENV": "dev",
        "LEDGER_STATE_DIR": str(root / "warm"),
        "LEDGER_BACKUP_ROOT": str(root / "backups"),
    }

    def make(target: str) -> None:
        subprocess.run(["make", "-s", target], cwd=PROJECT, env=variables, check=True, capture_output=True)

    def bare_import() -> None:
        subprocess.run([sys.executable, "-c", "import dagster"], check=True)

    make("backup")
    theirs, ours = [], []
    worked: list[float] = []
    try:
        for _ in range(rounds + 2):
            theirs.append(timed(bare_import))
            before = processor_of_children()
            ours.append(timed(lambda: make("backup")))
            worked.append(processor_of_children() - before)
    finally:
        make("down")
    console.print(
        f"  sample: import dagster {listed(theirs)} s, make backup with its drill {listed(ours)} s "
        f"(of the processor {listed(worked)} s)"
    )
    return [Figure("warm make backup of the sample / import dagster", ratio(ours, theirs), 3.5)]


def wrapped(rounds: int) -> list[Figure]:
    """The time that ledger_docker adds: to what only reads, to an unrelated project, to an insured line.

    The lines of a pair alternate, so that both meet the same load.
    """
    found: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as name, engines.engine() as engine:
        folder = Path(name)
        folder.chmod(0o755)
        hood = neighbours.build(engine, folder / "hood")
        state = known_backup(folder, hood.dev.psql("SELECT system_identifier FROM pg_control_system()"))
        shown = {"ps": (["ps"], hood.folder), "compose up": (["compose", "up", "-d"], hood.folder / "shop")}
        inside = ["exec", hood.dev.container, "psql", "-U", hood.dev.user, "-d", hood.dev.database]
        shown["exec"] = ([*inside, "-c", "VACUUM books"], hood.dev.folder)
        ours = {
            "LEDGER_STATE_DIR": str(state),
            "LEDGER_BACKUP_ROOT": str(folder / "backups"),
            "LEDGER_ENV": "dev",
        }
        programs = (
            ("docker", engine.client),
            ("ledger_docker", Path(sys.executable).parent / "ledger_docker"),
        )
        for line, (words, place) in shown.items():
            for _ in range(rounds * 10):
                for kind, program_path in programs:
                    run = partial(engine.docker, *words, client=program_path, variables=ours, cwd=place)
                    found.setdefault((kind, line), []).append(timed(run))
    return [
        Figure(
            f"ledger_docker {line} − docker {line}",
            statistics.median(found["ledger_docker", line]) - statistics.median(found["docker", line]),
            limit,
            "s",
        )
        for line, limit in (("ps", 0.05), ("compose up", 0.1), ("exec", 0.15))
    ]


def known_backup(folder: Path, identifier: str) -> Path:
    """A state folder in which the guard has found a fresh proven backup, which lies beside it."""
    backups, kept = folder / "backups" / "dev", folder / "state" / "guard"
    for place in (backups, kept):
        place.mkdir(parents=True, mode=0o700)
    (backups / "a.dump").write_bytes(b"x")
    status, held = (backups / "a.dump").stat(), backups.stat()
    identity = [status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode]
    finding = {
        "backup": "a.dump",
        "recovery_point": clock.now().isoformat(),
        "identifier": identifier,
        "files": {str(backups / "a.dump"): identity},
        "folder": [str(backups), held.st_mode, held.st_uid],
    }
    (kept / "backups.json").write_text(json.dumps({"dev": finding}))
    return folder / "state"


_TICK = """
import sys, time
from datetime import datetime
from pathlib import Path
import psutil
import pandas  # a sensor has it already
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.operations.monitoring import health_checks
from ledgerflow_ops_tests import builders
now = datetime.fromisoformat(sys.argv[2])
envs = [builders.env(Path(sys.argv[1]), environment=one, now=lambda: now) for one in Environment]
for _ in range(int(sys.argv[3])):
    begun, worked = time.perf_counter(), time.process_time()
    found = [finding for env in envs for finding in health_checks.find_problems(env)]
    found += health_checks.find_machine_problems(envs[0].ctx)
    spent = time.perf_counter() - begun
    worked = time.process_time() - worked
    print(spent, worked, psutil.Process().memory_info().rss, len(found), flush=True)
"""


def sensors(root: Path, rounds: int) -> list[Figure]:
    """A tick of the watch over three environments: in fresh processes, and fifty times in one."""
    backups = 10_000
    now = NOON.replace(hour=3)
    envs = [builders.env(root, environment=one, now=lambda: now) for one in Environment]
    with console.status(f"writing {backups} backups"):
        for env in envs:
            backup_tables.add_days(env, now.date(), backups // len(envs))
    clock.pause(3)  # what was written this moment is not settled, and would be read again

    def ticks(number: int) -> list[tuple[float, float, float]]:
        command = [sys.executable, "-c", _TICK, str(root), now.isoformat(), str(number)]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        split = map(str.split, lines)
        return [(float(spent), float(worked), float(memory)) for spent, worked, memory, _ in split]

    first = ticks(1)[0][0]
    runs = [ticks(1)[0] for _ in range(rounds + 2)]
    fresh, worked = [run[0] for run in runs], [run[1] for run in runs]
    memory = [used for _, _, used in ticks(50)]
    console.print(
        f"  {backups} backups: the first tick ever {first:.1f} s, in fresh processes {listed(fresh)} s "
        f"(of the processor {listed(worked)} s); "
        f"memory after 5 ticks {memory[4] / _MIB:.0f} MiB, after 50 {memory[-1] / _MIB:.0f} MiB"
    )
    return [
        Figure(f"a tick over {backups} backups in a fresh process", statistics.median(fresh), 1.0, "s"),
        Figure("memory after 50 ticks / after 5", memory[-1] / memory[4], 1.05),
    ]


def first(root: Path, rounds: int) -> list[Figure]:
    """The first `make backup` of a fresh clone on a bare machine, installed by uv, and by pip beside it."""
    commit_project(root / "origin")
    spent: dict[str, list[float]] = {"uv": [], "pip": []}
    worked: dict[str, list[float]] = {"uv": [], "pip": []}
    for turn in range(rounds):
        for installer, seconds in spent.items():
            home = root / f"{installer}{turn}"
            home.mkdir(mode=0o711)
            machine = bare_machine(home, root / "origin", pwd.getpwuid(os.geteuid()), mode=0o711)
            if installer == "pip":  # as where no wheel of uv fits
                (machine.clone / "requirements-uv.lock").write_text(f"uv==0 --hash=sha256:{'0' * 64}\n")
            done: list[CommandResult] = []
            before = processor_of_children()
            seconds.append(timed(lambda: done.append(machine.make("backup"))))  # noqa: B023
            worked[installer].append(processor_of_children() - before)
            if "PROVEN: valid" not in done[0].out:
                raise SystemExit(f"the first backup failed: {done[0].all}")
            machine.make("down")
            shutil.rmtree(home)
    for installer, seconds in spent.items():
        processor = listed(worked[installer])
        console.print(f"  installed by {installer}: {listed(seconds)} s (of the processor {processor} s)")
    return [
        Figure("first make backup on a bare machine", statistics.median(spent["uv"]), 25.0, "s"),
        Figure("the same / installed by pip", ratio(spent["uv"], spent["pip"]), 0.5),
    ]


PARTS: dict[str, Callable[[Path, argparse.Namespace], list[Figure]]] = {
    "docker": lambda _, asked: wrapped(asked.rounds),
    "imports": lambda _, asked: bench_upkeep.imports(asked.rounds),
    "uploads": lambda root, asked: bench_objects.uploads(root, asked.rounds),
    "anomalies": lambda *_: bench_upkeep.anomalies(),
    "status": lambda root, asked: bench_upkeep.status(root, asked.rounds),
    "sensors": lambda root, asked: sensors(root, asked.rounds),
    "sample": lambda root, asked: warm(root, asked.rounds),
    "idle": lambda root, _: bench_upkeep.idle(root),
    "ledger": lambda root, asked: ledger(root, asked.gigabytes, asked.rounds),
    "setup": lambda root, asked: first(root, asked.rounds),
}


def main() -> int:
    """Measure, print a table, and say with the exit code whether every limit was kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=list(PARTS))
    asked = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="lfb-", dir="/tmp"))
    root.chmod(0o711)
    figures: list[Figure] = []
    try:
        for name, part in PARTS.items():
            if asked.only == name or (asked.only is None and name != "setup"):
                figures += part(root, asked)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    table = Table("figure", "measured", "limit", "", title=f"{asked.rounds} rounds, medians")
    for item in figures:
        verdict = "kept" if item.kept else "MISSED"
        table.add_row(item.what, f"{item.value:.2f} {item.unit}", f"{item.limit:.2f} {item.unit}", verdict)
    console.print(table)
    return 0 if all(item.kept for item in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
