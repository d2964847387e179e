"""A work bench for tests of the definitions: settings, a Dagster instance, runs and their records."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import AssetKey, DagsterInstance

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.services import dagster_home
from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.config import Settings
from ledgerflow_ops.core.catalog.manifest import RunFacts
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.progress import Reporter, SilentReporter
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext
from ledgerflow_ops.places import PROJECT
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.fakes import servers


@dataclass(frozen=True)
class Verdict:
    """A check's verdict as Dagster keeps it."""

    check: str
    partition: str | None
    passed: bool
    run_id: str
    severity: str
    metadata: dict[str, Any]
    description: str


@dataclass(frozen=True)
class Bench:
    """Folders below `root`, Dagster's storage, and dev's database if it has one."""

    root: Path
    storage: Database
    database: Database | None = None

    def __post_init__(self) -> None:
        servers.share_templates(self.root / "state", self.root.parent)

    def settings(self, **dev: Any) -> Settings:
        """As a person would set them; `dev` are further settings of dev."""
        plain = builders.settings(self.root, self.database, **dev)
        return Settings(
            backup_root=plain.backup_root,
            state_dir=plain.state_dir,
            dagster_database_url=builders.database_url(self.storage),
            environments=plain.environments,
            alerts=plain.alerts,
            locations=plain.locations,
        )

    def env(
        self,
        environment: Environment = Environment.DEV,
        *,
        reporter: Reporter | None = None,
        now: Callable[[], datetime] = clock.now,
        **dev: Any,
    ) -> EnvironmentContext:
        run = RunFacts(run_id="", who="tests", why="a test")
        return OperationContext(self.settings(**dev), reporter or SilentReporter(), now, run).env(environment)

    @contextmanager
    def instance(self) -> Iterator[DagsterInstance]:
        """Dagster's instance, opened the way the terminal opens it."""
        state_dir = self.settings().state_dir
        variables = dagster_home.dagster_variables(state_dir, PROJECT, self.storage.sqlalchemy_url())
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            with DagsterInstance.get() as opened:
                yield opened

    def verdicts(self, asset: str, run_id: str | None = None) -> list[Verdict]:
        """Every check record of an asset, newest first, planned ones among them as not passed."""
        definitions = build_definitions(self.settings())
        keys = definitions.resolve_asset_graph().asset_check_keys
        with self.instance() as opened:
            records = [
                record
                for key in keys
                if key.asset_key == AssetKey(asset.split("/"))
                for record in opened.event_log_storage.get_asset_check_execution_history(key, limit=20)
            ]
        return [
            _verdict(record)
            for record in sorted(records, key=lambda record: -record.id)
            if run_id in (None, record.run_id)
        ]

    def materialized(self, asset: str) -> set[str]:
        """The partitions of an asset that the page shows green."""
        days = self.days(asset)
        with self.instance() as opened:
            keys = days.get_partition_keys()
            found = opened.get_status_by_partition(AssetKey(asset.split("/")), keys, days)
        return {day for day, status in (found or {}).items() if status and status.value == "MATERIALIZED"}

    def days(self, asset: str) -> dg.PartitionsDefinition[str]:
        graph = build_definitions(self.settings()).resolve_asset_graph()
        found = graph.get(AssetKey(asset.split("/"))).partitions_def
        assert found is not None
        return found

    def metadata(self, asset: str, day: date) -> dict[str, Any]:
        """The metadata values of the day's newest materialization."""
        with self.instance() as opened:
            records = opened.fetch_materializations(
                dg.AssetRecordsFilter(AssetKey(asset.split("/")), asset_partitions=[day.isoformat()]), limit=1
            ).records
        made = records[0].asset_materialization
        assert made is not None
        return {name: entry.value for name, entry in made.metadata.items()}

    def run(self, run_id: str) -> dg.DagsterRun:
        with self.instance() as opened:
            found = opened.get_run_by_id(run_id)
        assert found is not None
        return found


def _verdict(record: Any) -> Verdict:
    found = record.evaluation if record.status.value != "PLANNED" else None
    return Verdict(
        check=record.key.name,
        partition=record.partition,
        passed=bool(found and found.passed),
        run_id=record.run_id,
        severity=found.severity.value if found else "",
        metadata={name: entry.value for name, entry in found.metadata.items()} if found else {},
        description=(found.description or "") if found else "",
    )
