"""A backup that lacks an object of its database: what the terminal and the web page report."""

import json
import secrets

import pytest
from dagster import AssetKey

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.commands.backup import take_backup
from ledgerflow_ops.console import Terminal
from ledgerflow_ops.core.operation_requests import BackupRequest
from ledgerflow_ops_tests import databases
from ledgerflow_ops_tests.defs.benches import Bench


def test_it_ends_with_5_and_says_what_is_missing_and_how_to_get_it(
    bench: Bench, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"clerk_{secrets.token_hex(3)}"
    databases.run_statements(
        database,
        f"CREATE ROLE {name} LOGIN BYPASSRLS PASSWORD 'x' IN ROLE pg_read_all_data",
        f"ALTER ROLE {name} SET lo_compat_privileges = on",
        "CREATE SUBSCRIPTION feed CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false)",
    )
    try:
        clerk = Database({**database.parameters, "user": name, "password": "x"})
        env = Bench(bench.root, bench.storage, clerk).env()
        code = take_backup(env, Terminal(as_json=True), BackupRequest(), drill=True)
    finally:
        databases.run_statements(
            database,
            "ALTER SUBSCRIPTION feed SET (slot_name = NONE)",
            "DROP SUBSCRIPTION feed",
            f"DROP OWNED BY {name}",
            f"DROP ROLE {name}",
        )
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert (code, told["exit_code"], told["proven"], told["rung"]) == (5, 5, False, "equal")
    assert "subscription feed" in told["lacks"]
    assert f"ALTER ROLE {name} SUPERUSER;" in told["error"]["hint"]
    assert "NOT IN THE DUMP: pg_dump: subscriptions not dumped" in captured.err
    assert "NOT PROVEN: known to be equal, but it lacks an object of the database." in captured.err
    (verdict,) = [one for one in bench.verdicts("dev/drill") if one.check == "restorable"]
    assert (verdict.passed, verdict.severity, verdict.metadata["cause"]) == (False, "WARN", "incomplete")
    with bench.instance() as instance:
        event = instance.get_latest_materialization_event(AssetKey(["dev", "dump"]))
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert "subscription feed" in str(metadata["NOT_IN_THE_DUMP"].value)
    assert "subscriptions not dumped" in str(metadata["warnings"].value)
