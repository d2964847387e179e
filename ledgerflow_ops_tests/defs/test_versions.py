"""What makes a partition stale in the page: a newer backup without its drill, and never another commit."""

import dagster as dg
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleCauseCategory
from dagster._core.loader import LoadingContextForTest

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops_tests.defs.benches import Bench
from ledgerflow_ops_tests.defs.test_runs import order

CODE, DATA = StaleCauseCategory.CODE, StaleCauseCategory.DATA
FRESH = ("FRESH", set[StaleCauseCategory]())


def staleness(bench: Bench, asset: str, day: str, **versions: str) -> tuple[str, set[StaleCauseCategory]]:
    """An asset's partition as the page's label has it, and why; with other code versions of these assets."""

    def changed(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(code_version=versions.get(spec.key.path[-1], spec.code_version))

    definitions = build_definitions(bench.settings(), None, [Environment.DEV])
    graph = definitions.map_asset_specs(func=changed).resolve_asset_graph()
    key = dg.AssetKey(["dev", asset])
    with bench.instance() as opened:
        found = CachingStaleStatusResolver(opened, graph, LoadingContextForTest(opened))
        causes = found.get_stale_causes(key, day)
        return found.get_status(key, day).value, {cause.category for cause in causes}


def test_a_newer_backup_makes_its_drill_stale_until_the_next(bench: Bench, env: EnvironmentContext) -> None:
    today = env.today().isoformat()
    assert order(env).failure is None
    assert staleness(bench, "dump", today) == staleness(bench, "drill", today) == FRESH
    assert order(env, file="second.dump", drilled=False).failure is None
    assert staleness(bench, "dump", today) == FRESH
    assert staleness(bench, "drill", today) == ("STALE", {DATA})
    assert order(env, "drill").failure is None
    assert staleness(bench, "drill", today) == FRESH


def test_only_another_format_makes_a_kept_day_stale(bench: Bench, env: EnvironmentContext) -> None:
    today = env.today().isoformat()
    assert order(env).failure is None
    assert staleness(bench, "dump", today, drill="proof 2") == FRESH
    assert staleness(bench, "drill", today, drill="proof 2") == ("STALE", {CODE})
    assert staleness(bench, "drill", today, dump="manifest 2") == FRESH
