"""The cost of upkeep: importing the definitions, `make up` at rest, `make status` of many backups."""

import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.bench_figures import PROJECT, Figure, console, listed, processor_of_children, ratio
from ledgerflow_ops_tests.fakes import anomaly_rates, backup_tables, histories

_MIB = 1024**2
_WARM_UP, _AT_REST = 60, 180
"""Seconds after `make up` that are not measured, and that are."""


def imports(rounds: int) -> list[Figure]:
    """The processor's time of importing the definitions beside that of Dagster alone, in new processes."""
    bare, ours = [], []
    for _ in range(2 * rounds + 3):
        bare.append(_worked([sys.executable, "-c", "import dagster, dagster_postgres"]))
        ours.append(_worked([sys.executable, "-c", "import ledgerflow_ops.definitions"]))
    console.print(f"  processor: import dagster {listed(bare)} s, the definitions {listed(ours)} s")
    return [Figure("importing the definitions / import dagster, dagster_postgres", ratio(ours, bare), 1.15)]


def status(root: Path, rounds: int) -> list[Figure]:
    """The processor's time of `ledgerflow status` with 10, 1,000 and 10,000 backups; cold, then warm."""
    warm: dict[int, float] = {}
    for count in (10, 1000, 10_000):
        home = root / f"status{count}"
        with console.status(f"writing {count} backups"):
            backup_tables.add_days(builders.env(home), clock.now().date(), count, at="00:10")
        clock.pause(3)  # what was written this moment is not settled, and would be read again
        variables = _variables(home) | {"LEDGER_ENV": "dev", "LEDGER_DEV_SCHEDULED": "1"}
        command = [str(Path(sys.executable).parent / "ledgerflow"), "status"]
        cold = _worked(command, variables)
        found = [_worked(command, variables) for _ in range(rounds + 2)]
        warm[count] = statistics.median(found)
        console.print(f"  status of {count} backups, processor: cold {cold:.2f} s, warm {listed(found)} s")
    return [
        Figure("make status of 1,000 backups / of 10, warm", warm[1000] / warm[10], 2.0),
        Figure("make status of 10,000 backups, warm", warm[10_000], 5.0, "s of the processor"),
    ]


def anomalies() -> list[Figure]:
    """The false alarms and the losses found in eleven kinds of generated books."""
    figures = []
    for kind in histories.KINDS:
        false, found = anomaly_rates.measured(kind)
        lost = sum(number for name, number in found.planted.items() if name in histories.LOSSES)
        seen = sum(number for name, number in found.found.items() if name in histories.LOSSES)
        words = ", ".join(
            f"{name}: {found.found[name]} of {found.planted[name]}"
            for name in histories.RESTS
            if found.planted[name]
        )
        plain = f"{dict(false.false)} in {false.years:.1f} years"
        console.print(f"  {kind}: {plain}; {seen} of {lost} losses found; {words}")
        figures += [
            Figure(f"{kind}: false alarms", false.false_a_year, anomaly_rates.FALSE_A_YEAR, "a year"),
            Figure(f"{kind}: losses that were not found", lost - seen, 0, ""),
        ]
    return figures


def idle(root: Path) -> list[Figure]:
    """What all processes of `make up` cost at rest, with the sample in every environment."""
    variables = _variables(root / "idle")
    subprocess.run(["make", "-s", "up"], cwd=PROJECT, env=variables, check=True, capture_output=True)
    try:
        with console.status("make up is at rest"):
            clock.pause(_WARM_UP)
            before = _servers(root / "idle" / "state")
            clock.pause(_AT_REST)
            after = _servers(root / "idle" / "state")
    finally:
        subprocess.run(["make", "-s", "down"], cwd=PROJECT, env=variables, check=True, capture_output=True)
    minutes, memory = _AT_REST / 60, sum(pss for _, pss, _ in after.values())
    spent = {pid: used - before.get(pid, (0.0, 0, ""))[0] for pid, (used, _, _) in after.items()}
    for pid, (_, pss, words) in after.items():
        if spent[pid] / minutes >= 0.05:
            console.print(f"  {spent[pid] / minutes:.2f} s a minute, {pss / _MIB:.0f} MiB: {words}")
    console.print(f"  {len(after)} processes, {memory / _MIB:.0f} MiB (PSS)")
    return [
        Figure("make up at rest", sum(spent.values()) / minutes, 3.5, "s of the processor a minute"),
        Figure("its memory (PSS)", memory / _MIB, 1024, "MiB"),
    ]


def _servers(state: Path) -> dict[int, tuple[float, int, str]]:
    """Of each process of `make up`: the seconds of the processor that it and its ended children used, its
    PSS in bytes, and the end of its command line."""
    found: dict[int, tuple[float, int, str]] = {}
    for process in psutil.process_iter():
        try:
            ours = process.environ().get("DAGSTER_HOME") == str(state / "dagster")
            if not ours and not any(str(state) in word for word in _line(process)):
                continue
            used = process.cpu_times()
            seconds = used.user + used.system + used.children_user + used.children_system
            found[process.pid] = (seconds, process.memory_full_info().pss, " ".join(_line(process))[-70:])
        except psutil.Error:
            continue
    return found


def _line(process: psutil.Process) -> list[str]:
    """Its command line; of a server process of PostgreSQL its postmaster's, which says where the data is."""
    parent = process.parent()
    if process.name() == "postgres" and parent is not None and parent.name() == "postgres":
        return parent.cmdline()
    return process.cmdline()


def _variables(home: Path) -> dict[str, str]:
    """What leads the commands to folders of their own, and to nothing of whoever measures."""
    foreign = {name for name in os.environ if name.startswith("LEDGER_")}
    plain = {name: value for name, value in os.environ.items() if name not in foreign}
    nothing = home / "empty.toml"
    home.mkdir(mode=0o711, exist_ok=True)
    nothing.touch()
    return plain | {
        "LEDGER_STATE_DIR": str(home / "state"),
        "LEDGER_BACKUP_ROOT": str(home / "backups"),
        "LEDGER_CONFIG": str(nothing),
    }


def _worked(command: list[str], variables: Mapping[str, str] | None = None) -> float:
    """Seconds of the processor that the command used; SystemExit where it failed, beyond what it found."""
    before = processor_of_children()
    done = subprocess.run(command, cwd=PROJECT, env=variables, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{command} failed: {done.stderr}")
    return processor_of_children() - before
