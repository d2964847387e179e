"""The definitions as Dagster sees them: each environment's chain, days, checks and jobs."""

import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster import AssetCheckKey, AssetKey

from ledgerflow_ops.adapters.services import dagster_home
from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.catalog.naming import DUMP, BackupName
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.defs.assets.partitions import backup_days
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops.places import PROJECT
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.defs.benches import Bench

DUMP_CHECKS = {"exists", "size", "permissions", "integrity", "sealed", "source_is_real"}
DRILL_CHECKS = {"restorable", "data_rules"}


def days_ago(days: int) -> date:
    return clock.now().date() - timedelta(days=days)


@pytest.fixture
def definitions(root: Path) -> dg.Definitions:
    """Of settings in which nothing is set but the folders."""
    return build_definitions(builders.settings(root))


class TestChain:
    @pytest.mark.parametrize("name", Environment)
    def test_an_environments_assets_follow_one_another(
        self, definitions: dg.Definitions, name: Environment
    ) -> None:
        graph = definitions.resolve_asset_graph()
        database, dump, drilled = (AssetKey([name, asset]) for asset in ("database", "dump", "drill"))
        assert graph.get(database).is_external
        assert graph.get(dump).parent_keys == {database}
        assert graph.get(drilled).parent_keys == {dump}
        assert graph.get(drilled).child_keys == {
            AssetKey("catalog"),
            AssetKey([name, "incident"]),
            AssetKey([name, "rotation"]),
            AssetKey([name, "coverage"]),
        }
        assert {graph.get(key).group_name for key in (database, dump, drilled)} == {name}
        assert graph.get(dump).pools == graph.get(drilled).pools == {name}

    def test_there_is_nothing_else(self, definitions: dg.Definitions) -> None:
        graph = definitions.resolve_asset_graph()
        own = ("database", "dump", "drill", "incident", "coverage", "rotation")
        chains = {AssetKey([name, asset]) for name in Environment for asset in own}
        assert graph.get_all_asset_keys() == {*chains, AssetKey("catalog"), AssetKey("report")}

    @pytest.mark.parametrize("name", Environment)
    def test_every_check_has_the_days_of_its_asset(
        self, definitions: dg.Definitions, name: Environment
    ) -> None:
        graph = definitions.resolve_asset_graph()
        for asset, checks in (("dump", DUMP_CHECKS), ("drill", DRILL_CHECKS)):
            key = AssetKey([name, asset])
            assert {found.name for found in graph.get_check_keys_for_assets({key})} == checks
            for check in checks:
                node = graph.get(AssetCheckKey(key, check))
                assert node.partitions_def == graph.get(key).partitions_def
                assert node.description
                assert node.blocking is (asset == "dump"), "a bad dump stops the drill"

    @pytest.mark.parametrize("name", Environment)
    def test_each_environment_can_be_backed_up_verified_and_drilled(
        self, definitions: dg.Definitions, name: Environment
    ) -> None:
        selected = {
            job: set(definitions.resolve_job_def(f"{name}_{job}").asset_layer.selected_asset_keys)
            for job in ("backup", "verify", "drill")
        }
        dump, drilled = AssetKey([name, "dump"]), AssetKey([name, "drill"])
        assert selected == {"backup": {dump, drilled}, "verify": set(), "drill": {drilled}}
        checks = definitions.resolve_job_def(f"{name}_verify").asset_layer.asset_graph.asset_check_keys
        assert {found.name for found in checks} == DUMP_CHECKS

    def test_the_database_says_when_it_is_the_sample(
        self, definitions: dg.Definitions, env: EnvironmentContext
    ) -> None:
        sample = definitions.resolve_asset_graph().get(AssetKey(["prod", "database"]))
        real = build_definitions(env.ctx.settings).resolve_asset_graph().get(AssetKey(["dev", "database"]))
        assert "SAMPLE" in (sample.description or "")
        assert "SAMPLE" not in (real.description or "")


class TestWindow:
    @pytest.mark.parametrize(("name", "days"), [("prod", 30), ("dev", 7), ("test", 3)])
    def test_it_is_as_long_as_the_retention_and_ends_today(
        self, definitions: dg.Definitions, name: str, days: int
    ) -> None:
        window = definitions.resolve_asset_graph().get(AssetKey([name, "dump"])).partitions_def
        assert window is not None
        keys = window.get_partition_keys()
        assert keys[0] == days_ago(days).isoformat()
        assert keys[-1] == days_ago(0).isoformat()
        assert len(keys) == days + 1

    def test_it_stalls_with_the_backups(self, bench: Bench) -> None:
        """The newest proven one is five days old, so the days before it are still shown."""
        past = bench.env(now=lambda: clock.now() - timedelta(days=5))
        manifest = backup.backup(past)
        later = bench.env(now=lambda: clock.now() - timedelta(days=2))
        assert backup_days(later).get_first_partition_key() == days_ago(2 + 7).isoformat(), (
            "nothing is proven"
        )
        drill.drill(past, BackupName.of(manifest.dump.file))
        backup.backup(later)
        today = bench.env()
        assert backup_days(today).get_first_partition_key() == days_ago(5 + 7).isoformat()
        drill.drill(
            later,
            next(
                name
                for name in (BackupName.of(file) for file in later.store.names(DUMP))
                if name.dump != manifest.dump.file
            ),
        )
        assert backup_days(today).get_first_partition_key() == days_ago(2 + 7).isoformat()
        assert backup_days(today).get_last_partition_key() == days_ago(0).isoformat()

    @pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Vienna"])
    def test_it_ends_on_the_environments_own_today(self, root: Path, zone: str) -> None:
        env = builders.env(root, time_zone=zone)
        assert backup_days(env).get_last_partition_key() == env.today().isoformat()


class TestLoading:
    def test_no_line_of_ours_brings_a_warning(self, root: Path) -> None:
        """Whatever the libraries warn of while they are imported is theirs."""
        program = (
            "import dagster, pandas, psycopg, warnings; warnings.simplefilter('error')\n"
            "from ledgerflow_ops.definitions import defs\n"
            "import ledgerflow_ops.defs.assets.catalog_table\n"
            "print(len(list(defs.resolve_all_job_defs())), defs.resolve_asset_graph() and 'loaded')"
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "LEDGER_STATE_DIR": str(root), "LEDGER_BACKUP_ROOT": str(root)},
            cwd=PROJECT,
            capture_output=True,
            check=False,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith("loaded\n")
        assert done.stderr == ""

    def test_dagsters_own_check_of_the_definitions_passes(self, bench: Bench) -> None:
        done = subprocess.run(
            [Path(sys.executable).parent / "dg", "check", "defs"],
            env={
                **os.environ,
                **dagster_home.dagster_variables(bench.root, PROJECT, bench.storage.sqlalchemy_url()),
                "HOME": str(bench.root),
                "LEDGER_STATE_DIR": str(bench.root),
                "LEDGER_BACKUP_ROOT": str(bench.root),
                "VIRTUAL_ENV": str(Path(sys.executable).parent.parent),
            },
            cwd=PROJECT,
            capture_output=True,
            check=False,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "loaded successfully" in done.stdout + done.stderr
        assert "Warning" not in done.stdout + done.stderr
