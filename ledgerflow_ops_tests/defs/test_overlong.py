"""The real daemon ends a run that takes too long, and its leftovers do not affect the next run."""

from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from ledgerflow_ops.adapters.system import clock, locks
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Busy
from ledgerflow_ops.core.monitoring.run_outcomes import RunResult
from ledgerflow_ops.defs.runs.run_context import TASK
from ledgerflow_ops.defs.runs.run_records import Cursor, ended_since
from ledgerflow_ops.operations import catalog
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.defs.benches import Bench
from ledgerflow_ops_tests.defs.daemons import servers
from ledgerflow_ops_tests.fakes import programs, sandboxes

WRITES = "--format=custom"
"""An argument that only the pg_dump has which writes the dump."""

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]


def attempts(opened: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """The night's backup runs, the oldest first."""
    return list(opened.get_runs(dg.RunsFilter(tags={TASK: "backup"})))[::-1]


def is_free(bench: Bench) -> bool:
    """Whether nobody has the environment's lock."""
    try:
        with locks.environment_lock(bench.settings().state_dir, Environment.DEV, "look", clock.now()):
            return True
    except Busy:
        return False


def look_every_second(home: Path) -> None:
    """Have run monitoring look every second; all else is as the project has it."""
    file = home / "dagster.yaml"
    before = file.read_text()
    file.write_text(before.replace("poll_interval_seconds: 30", "poll_interval_seconds: 1"))
    assert file.read_text() != before


def test_a_run_that_hangs_is_ended_and_the_next_backup_succeeds(bench: Bench) -> None:
    """Its pg_dump hangs, a script around a program: so does one that waits for a server that is gone."""
    assert bench.database is not None
    folder, mark = backup_folder_of(bench.env()), bench.root.name
    hang, hangs = bench.root / "hang", bench.root / "hangs"
    hang.touch()
    partial = f"ls {folder.path} 2>/dev/null | grep partial"
    hanging = f'"$real" "$@" | head -c 4096; until {partial} >{hangs}; do sleep 0.1; done; sleep 600; exit 1'
    script = f'if [ -e {hang} ]; then {hanging}; fi; exec "$real" "$@"'
    tools_dir = programs.falsified(bench.root / "tools", "pg_dump", WRITES, script)
    text = (
        f'[environments.dev]\ndatabase_url = "{builders.database_url(bench.database)}"\nschedule = 00:00:00\n'
    )
    variables = {"QUICK_GRACE": "0", "LEDGER_TOOLS_DIR": str(tools_dir), "FAULT_MARK": mark}
    with servers(bench, text, **variables) as found, bench.instance() as opened:
        look_every_second(Path(found.variables["DAGSTER_HOME"]))
        found.daemon()
        found.wait_for(lambda: hangs.exists() and bool(hangs.read_text()), "the backup hangs")
        assert ".dump.partial" in hangs.read_text()
        assert not is_free(bench)
        hang.unlink()
        [first] = attempts(opened)
        opened.add_run_tags(first.run_id, {"dagster/max_runtime": "1"})
        found.wait_for(lambda: attempts(opened)[0].is_finished, "the daemon ends it")
        found.wait_for(lambda: "sleep" not in sandboxes.processes_marked(mark), "no program of it is left")
        found.wait_for(lambda: len(attempts(opened)) > 1, "the night asks for another")
        found.wait_for(lambda: attempts(opened)[1].is_finished, "which is made")
        assert attempts(opened)[1].status is dg.DagsterRunStatus.SUCCESS
        found.wait_for(lambda: is_free(bench), "the lock is free")
        ended, _ = ended_since(opened, Cursor(clock.now() - timedelta(hours=1)))
    # Dagster notes that it failed; the run may note after that that it was canceled. It failed, all the same.
    [told] = [one for one in ended if one.run_id == first.run_id]
    assert (told.fate, told.message) == (RunResult.FAILURE, "Exceeded maximum runtime of 1 seconds.")
    [entry] = catalog.entries(bench.env())
    assert entry.proven
    assert not list(folder.path.glob("*.partial"))
