"""The names of assets, jobs, steps and checks, as Dagster's storage and saved run configs hold them.

They are built here and nowhere else. Never change one: to Dagster it would be a new object without history.
"""

import re

import dagster as dg

from ledgerflow_ops.core.archive.copies import COPIED, RULE
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.operations.context import EnvironmentContext

DATABASE, DUMP, DRILL, ARCHIVE, COVERAGE, ROTATION, INCIDENT = (
    "database",
    "dump",
    "drill",
    "archive",
    "coverage",
    "rotation",
    "incident",
)
"""The assets of an environment."""
OWNERS = ["team:operations"]
"""The owner of everything, as the page shows it: who is responsible for backups."""
CATALOG, REPORT = "catalog", "report"
"""The assets that cover all environments."""
CATALOG_JOB, REPORT_JOB = f"{CATALOG}_job", f"{REPORT}_job"
HISTORY_JOB = "dagster_history"
HISTORY_STEP, HISTORY_SCHEDULE = f"{HISTORY_JOB}_op", f"{HISTORY_JOB}_weekly"
"""The job that removes Dagster's old history, its step and its schedule."""

DUMP_CHECKS = {
    "exists": "The dump file is in the environment's own folder.",
    "size": "The dump is not empty, has the committed size, and is close to the sizes of recent days.",
    "permissions": "Only the owner can read the dump, and nobody else can replace it.",
    "integrity": "Every byte was read and decoded; the SHA-256 equals the manifest's.",
    "sealed": "The manifest is complete, and the dump's rows and contents equal the seal.",
    "source_is_real": "The dump was taken from the environment's own database, not from the sample database.",
}
"""The checks on a dump, with their descriptions: what holds when the check passes."""
DRILL_CHECKS = {
    "restorable": "The dump was restored into an empty server, and the result equals the seal.",
    "data_rules": "The environment's data rules hold in the restored copy.",
}
"""The checks of a drill, with their descriptions."""
ARCHIVE_CHECKS = {
    COPIED: "Every archive location has a copy of the day's backup, read back there.",
    RULE: "Three good copies, on two kinds of storage, one of them elsewhere.",
}
"""The checks on the copies in archive locations."""
AUDIT, HISTORY_CHECK = "audit", "history"
"""The verb of the job with the check on the database asset: whether the backups are those of their signed
history. And that check."""
KEY_DRILL, KEY_SURVIVAL = "key_drill", "key_survival"
"""The verb of the job with the check on the database asset: whether the escrowed identity alone opens every
backup. And that check."""
FRESH = "fresh"
"""The check on the database asset: whether the recovery point objective (RPO) is met."""

_MATERIALIZED = {"backup": DUMP, "drill": DRILL, "archive": ARCHIVE, "redrill": COVERAGE, "rotate": ROTATION}
"""Verb of a request or task → the asset that its run materializes first."""

_JOB = re.compile(rf"({'|'.join(Environment)})_(\w+)")


def asset_key(env: EnvironmentContext, name: str) -> dg.AssetKey:
    """The key of an environment's asset, such as `prod/dump`."""
    return dg.AssetKey([str(env.environment), name])


def job_name(env: EnvironmentContext, verb: str) -> str:
    """The job for the verb of a request or task, such as `prod_backup`."""
    return f"{env.environment}_{verb}"


def parsed_job(name: str) -> tuple[Environment, str] | None:
    """The environment and the verb in a job's name; None for a job that belongs to no environment."""
    match = _JOB.fullmatch(name)
    return (Environment(match[1]), match[2]) if match else None


def step_name(env: EnvironmentContext, verb: str) -> str:
    """The step that receives the request: `prod__dump`, `prod_dump_checks`, `prod_restore_op`."""
    if verb == "verify":
        return f"{env.environment}_{DUMP}_checks"
    if verb in _MATERIALIZED:
        return asset_key(env, _MATERIALIZED[verb]).to_python_identifier()
    return f"{job_name(env, verb)}_op"


def archive_pool(environment: Environment) -> str:
    """The pool of the runs that copy to archive locations: they hold up no backup."""
    return f"{environment}_{ARCHIVE}"


def schedule_name(env: EnvironmentContext) -> str:
    """The schedule of an environment's daily backup."""
    return f"{env.environment}_daily"


def audit_schedule_name(env: EnvironmentContext) -> str:
    """The schedule of the check of the history."""
    return f"{env.environment}_audit_daily"


def key_drill_schedule_name(env: EnvironmentContext) -> str:
    """The schedule of the key-survival drill."""
    return f"{job_name(env, KEY_DRILL)}_weekly"


def night_name(env: EnvironmentContext) -> str:
    """The sensor that requests what the schedule missed."""
    return f"{env.environment}_night"


def choices_name(env: EnvironmentContext) -> str:
    """The dynamic partitions that a restore's launchpad offers: `prod_backups`."""
    return f"{env.environment}_backups"


def watch_name(watched: str) -> str:
    """The sensor that watches an environment, the machine or the runs: `prod_watch`."""
    return f"{watched}_watch"
