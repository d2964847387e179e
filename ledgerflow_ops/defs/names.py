"""The names of assets, jobs, steps and checks, by which Dagster's record and saved run configs know them.

They are built here and nowhere else. To Dagster a changed name is another thing: its history stays behind.
"""

import re

import dagster as dg

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.operations.context import EnvironmentContext

DATABASE, DUMP, DRILL, COVERAGE, ROTATION, INCIDENT = (
    "database",
    "dump",
    "drill",
    "coverage",
    "rotation",
    "incident",
)
"""The assets of an environment."""
CATALOG, REPORT = "catalog", "report"
"""The assets of all environments together."""
CATALOG_JOB, REPORT_JOB = f"{CATALOG}_job", f"{REPORT}_job"
HISTORY_JOB = "dagster_history"
HISTORY_STEP, HISTORY_SCHEDULE = f"{HISTORY_JOB}_op", f"{HISTORY_JOB}_weekly"
"""The job that keeps Dagster's own history in bounds, its step and its schedule."""

DUMP_CHECKS = {
    "exists": "The file is in the environment's own folder.",
    "size": "Not empty, not below the floor, not far from the recent days.",
    "permissions": "Only its owner can read it, and nobody else can swap it.",
    "integrity": "Every byte read and decoded; the SHA-256 is the committed one.",
    "sealed": "The manifest is whole, and the rows and contents are those it sealed.",
    "source_is_real": "Taken from the environment's own database, not from the sample.",
}
"""The checks on a dump, with what each says when it passed."""
DRILL_CHECKS = {
    "restorable": "The dump was restored into an empty server and equals the seal.",
    "data_rules": "The environment's data rules hold in the restored copy.",
}
"""The checks of a drill."""
FRESH = "fresh"
"""The check on the database's own asset: whether the RPO is kept."""

_MATERIALIZED = {"backup": DUMP, "drill": DRILL, "redrill": COVERAGE, "rotate": ROTATION}
"""By verb of a request or task, the asset that its run materializes first."""

_JOB = re.compile(rf"({'|'.join(Environment)})_(\w+)")


def asset_key(env: EnvironmentContext, name: str) -> dg.AssetKey:
    """`prod/dump` and the like."""
    return dg.AssetKey([str(env.environment), name])


def job_name(env: EnvironmentContext, verb: str) -> str:
    """The job that carries out what the verb of a request or task names: `prod_backup`."""
    return f"{env.environment}_{verb}"


def parsed_job(name: str) -> tuple[Environment, str] | None:
    """The environment and the verb of a job's name; None of a job that belongs to no environment."""
    found = _JOB.fullmatch(name)
    return (Environment(found[1]), found[2]) if found else None


def step_name(env: EnvironmentContext, verb: str) -> str:
    """The step of that job which the request goes to: `prod__dump`, `prod_dump_checks`, `prod_restore_op`."""
    if verb == "verify":
        return f"{env.environment}_{DUMP}_checks"
    if verb in _MATERIALIZED:
        return asset_key(env, _MATERIALIZED[verb]).to_python_identifier()
    return f"{job_name(env, verb)}_op"


def schedule_name(env: EnvironmentContext) -> str:
    """The schedule of an environment's daily backup."""
    return f"{env.environment}_daily"


def night_name(env: EnvironmentContext) -> str:
    """The sensor that catches up with what the schedule missed."""
    return f"{env.environment}_night"


def watch_name(watched: str) -> str:
    """The sensor that watches an environment, the machine or the runs: `prod_watch`."""
    return f"{watched}_watch"
