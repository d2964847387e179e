"""What an act that may destroy can fall back on, out of real folders."""

from datetime import timedelta
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.postgres import Database
from ledgerflow_ops.guard import fallback, installation
from ledgerflow_ops.guard.scene import Scene
from ledgerflow_ops.operations.desk import Site
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.core.records import NOON
from ledgerflow_ops_tests.fakes import shelves

REAL = Database({"host": "192.0.2.1", "port": "5432", "user": "x", "dbname": "books"})


@pytest.fixture
def site(root: Path) -> Site:
    """An environment with a database of its own, at noon."""
    built = builders.site(root, REAL, now=lambda: NOON)
    built.folder.prepare()
    return built


def named(site: Site) -> str:
    return fallback.standing(site, NOON, Scene(), ()).backup


def test_it_is_the_newest_proven_backup_whose_age_is_known(site: Site) -> None:
    kept = shelves.put(site, NOON - timedelta(minutes=20))
    shelves.put(site, NOON - timedelta(minutes=10), rung=None)
    assert named(site) == kept.dump
    a_little_ahead = shelves.put(site, NOON + timedelta(minutes=4))
    assert named(site) == a_little_ahead.dump
    shelves.put(site, NOON + timedelta(minutes=6))
    assert named(site) == a_little_ahead.dump, "as old as nobody knows, it would be fresh for ever"


def test_a_backup_of_the_sample_stands_for_the_sample_alone(root: Path, site: Site) -> None:
    shelves.put(site, NOON - timedelta(minutes=20), sample=True)
    assert named(site) == ""
    [check] = [one for one in installation.safety_check(site.desk, [site]) if one.name == "dev backup"]
    assert (check.passed, check.message) == (False, "dev has no proven backup.")
    assert named(builders.site(root, now=lambda: NOON))
