"""The daemon imports the definitions again when that would change them, and only then."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from dagster._core.remote_representation.grpc_server_registry import ServerRegistryEntry
from dagster._core.test_utils import freeze_time
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._daemon import controller
from dagster._grpc.server import GrpcServerProcess

from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.config import Settings
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.defs import daemon
from ledgerflow_ops.defs.daemon import Controller
from ledgerflow_ops.operations.context import OperationContext
from ledgerflow_ops_tests.defs.benches import Bench
from ledgerflow_ops_tests.fakes import backup_tables


@pytest.fixture
def settings(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings file of that bench, with nothing in it."""
    file, plain = bench.root / "ledgerflow.toml", bench.settings()
    file.touch()
    monkeypatch.setenv("LEDGER_CONFIG", str(file))
    monkeypatch.setenv("LEDGER_STATE_DIR", str(plain.state_dir))
    monkeypatch.setenv("LEDGER_BACKUP_ROOT", str(plain.backup_root))
    return file


class TestSource:
    def test_it_is_the_same_as_long_as_nothing_changes(self, settings: Path) -> None:
        assert daemon.definition_inputs() is not None
        assert daemon.definition_inputs() == daemon.definition_inputs()

    def test_it_is_another_with_other_settings(self, settings: Path) -> None:
        before = daemon.definition_inputs()
        settings.write_text("[environments.dev]\nscheduled = true\n")
        assert daemon.definition_inputs() != before

    def test_it_is_another_with_another_secret(self, settings: Path) -> None:
        secret = settings.with_name("url")
        secret.write_text("postgresql://one@127.0.0.1/books")
        settings.write_text(f'[environments.dev]\ndatabase_url_file = "{secret}"\n')
        before = daemon.definition_inputs()
        secret.write_text("postgresql://two@127.0.0.1/books")
        assert before is not None
        assert daemon.definition_inputs() != before

    def test_it_is_another_when_the_window_of_days_moves(self, settings: Path) -> None:
        before = daemon.definition_inputs()
        dev = OperationContext(Settings()).env(Environment.DEV)
        taken = clock.now() - timedelta(days=4)
        backup_tables.add_backup(dev, taken, proven_at=taken)
        assert daemon.definition_inputs() != before

    def test_wrong_settings_make_none(self, settings: Path) -> None:
        settings.write_text("nonsense")
        assert daemon.definition_inputs() is None


@pytest.fixture
def watching(bench: Bench, settings: Path) -> Iterator[Controller]:
    """The daemon's controller over the definitions as the product loads them."""
    workspace = bench.root / "workspace.yaml"
    workspace.write_text("load_from:\n  - python_module: ledgerflow_ops.definitions\n")
    with bench.instance() as instance, ExitStack() as stack:
        made_of = daemon.definition_inputs()
        registry = stack.enter_context(controller.create_daemon_grpc_server_registry(instance, "warning"))
        loaded = WorkspaceProcessContext(
            instance, WorkspaceFileTarget(paths=[str(workspace)]), grpc_server_registry=registry
        )
        daemons = [stack.enter_context(one) for one in controller.create_daemons_from_instance(instance)[:1]]
        yield stack.enter_context(Controller(stack.enter_context(loaded), registry, daemons, made_of))


def _server(watching: Controller) -> GrpcServerProcess:
    assert watching._grpc_server_registry
    [entry] = watching._grpc_server_registry._active_entries.values()
    assert isinstance(entry, ServerRegistryEntry)
    return entry.process


def test_they_are_imported_anew_when_they_have_changed_or_their_process_is_gone(
    watching: Controller, settings: Path
) -> None:
    first = _server(watching)
    now = clock.now().timestamp()
    assert watching.check_workspace_freshness(now) == now, "a minute has not passed"
    assert watching.check_workspace_freshness(0) > 0
    assert _server(watching) is first, "nothing has changed"
    settings.write_text("[environments.dev]\nscheduled = true\n")
    watching.check_workspace_freshness(0)
    second = _server(watching)
    assert second is not first
    watching.check_workspace_freshness(0)
    assert _server(watching) is second
    second.server_process.kill()
    second.server_process.wait()
    watching.check_workspace_freshness(0)
    third = _server(watching)
    assert third is not second
    settings.write_text("nonsense")
    watching.check_workspace_freshness(0)
    broken = _server(watching)
    watching.check_workspace_freshness(0)
    assert _server(watching) is not broken, "whatever keeps them from being imported may pass"
    settings.write_text("")
    watching.check_workspace_freshness(0)
    mended = _server(watching)
    watching.check_workspace_freshness(0)
    assert _server(watching) is mended


def test_they_are_imported_anew_after_an_hour(watching: Controller) -> None:
    first, now = _server(watching), clock.now()
    with freeze_time(now + timedelta(minutes=59)):
        watching.check_workspace_freshness(0)
    assert _server(watching) is first
    with freeze_time(now + timedelta(minutes=61)):
        watching.check_workspace_freshness(0)
    assert _server(watching) is not first
