"""The backup that a destroying command would rely on, from real folders."""

from datetime import timedelta
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.guard import recoverability
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.protection import installation
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.core.records import NOON
from ledgerflow_ops_tests.fakes import backup_days

REAL = Database({"host": "192.0.2.1", "port": "5432", "user": "x", "dbname": "books"})


@pytest.fixture
def env(root: Path) -> EnvironmentContext:
    """An environment with a database of its own, at noon."""
    built = builders.env(root, REAL, now=lambda: NOON)
    backup_folder_of(built).prepare()
    return built


def named(env: EnvironmentContext) -> str:
    return recoverability.backup_state(env, NOON, Scene(), ()).backup


def test_it_is_the_newest_proven_backup_whose_age_is_known(env: EnvironmentContext) -> None:
    kept = backup_days.add_backup(env, NOON - timedelta(minutes=20))
    backup_days.add_backup(env, NOON - timedelta(minutes=10), rung=None)
    assert named(env) == kept.dump
    a_little_ahead = backup_days.add_backup(env, NOON + timedelta(minutes=4))
    assert named(env) == a_little_ahead.dump
    backup_days.add_backup(env, NOON + timedelta(minutes=6))
    assert named(env) == a_little_ahead.dump, "as old as nobody knows, it would be fresh for ever"


def test_a_backup_of_the_sample_stands_for_the_sample_alone(root: Path, env: EnvironmentContext) -> None:
    backup_days.add_backup(env, NOON - timedelta(minutes=20), sample=True)
    assert named(env) == ""
    [check] = [one for one in installation.safety_check(env.ctx, [env]) if one.name == "dev backup"]
    assert (check.passed, check.message) == (False, "dev has no proven backup.")
    assert named(builders.env(root, now=lambda: NOON))
