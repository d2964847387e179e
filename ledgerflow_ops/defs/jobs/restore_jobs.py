"""Restores, rollbacks and recoveries as jobs. Their runs record who, why, which file, and the result."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg

from ledgerflow_ops.core.access.run_confirmation import require_typed_environment
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.defs.jobs.backup_choice import config_of_choice, require_choice_of_run
from ledgerflow_ops.defs.names import DATABASE, DRILL, INCIDENT, OWNERS, asset_key, job_name, step_name
from ledgerflow_ops.defs.run_config import RecoverConfig, RestoreConfig, RollbackConfig
from ledgerflow_ops.defs.runs.run_context import env_for_run, failures_on_record, parent_run
from ledgerflow_ops.operations.context import EnvironmentContext

if TYPE_CHECKING:
    from ledgerflow_ops.operations.restore.restore import RestoreResult


def incident_asset(env: EnvironmentContext) -> dg.AssetSpec:
    """The asset that holds the records of recoveries; it is not materialized by itself."""
    return dg.AssetSpec(
        asset_key(env, INCIDENT),
        deps=[asset_key(env, DRILL)],
        group_name=str(env.environment),
        kinds={"markdown"},
        description="Recoveries: what was lost, what was tried, what was restored, what remains to do.",
    )


def restore_jobs(env: EnvironmentContext) -> list[dg.JobDefinition]:
    """The environment's jobs that change its database. No schedule or sensor starts them."""
    return [
        op_job(
            job_name(env, "restore"),
            _restore_op(env),
            "Restore a backup into the environment's database. Choose it as the partition, or type its file.",
            config_of_choice(env),
        ),
        op_job(
            job_name(env, "rollback"),
            _rollback_op(env),
            "Swap back the previous database, which a restore has kept.",
        ),
        op_job(
            job_name(env, "recover"),
            _recover_op(env),
            "After a loss: restore the newest backup that can be proven.",
        ),
    ]


def op_job(
    name: str, op: dg.OpDefinition, text: str, config: "dg.PartitionedConfig[Any] | None" = None
) -> dg.JobDefinition:
    """A job of one op, which materializes no partition."""
    return dg.GraphDefinition(name, node_defs=[op]).to_job(
        name=name, description=text, owners=OWNERS, config=config, executor_def=dg.in_process_executor
    )


@contextmanager
def _typed_run(
    env: EnvironmentContext, context: dg.OpExecutionContext, typed: str
) -> Iterator[EnvironmentContext]:
    """The environment as this run uses it, if its name was typed for this run; errors go on record."""
    run_env = env_for_run(env, context)
    with failures_on_record(env.environment):
        require_typed_environment(env.environment, typed, parent_run(context))
        yield run_env


def _restore_op(env: EnvironmentContext) -> dg.OpDefinition:
    @dg.op(name=step_name(env, "restore"), pool=str(env.environment))
    def op(context: dg.OpExecutionContext, config: RestoreConfig) -> None:
        from ledgerflow_ops.operations.restore import restore

        with _typed_run(env, context, config.environment) as run_env:
            require_choice_of_run(context.run, config.file)
            restored = restore.restore(run_env, config)
        _record_restore(context, env, restored, {})

    return op


def _rollback_op(env: EnvironmentContext) -> dg.OpDefinition:
    @dg.op(name=step_name(env, "rollback"), pool=str(env.environment))
    def op(context: dg.OpExecutionContext, config: RollbackConfig) -> None:
        from ledgerflow_ops.operations.restore import rollback

        with _typed_run(env, context, config.environment) as run_env:
            done = rollback.rollback(run_env, config)
        facts = {name: dg.MetadataValue.text(str(value)) for name, value in done.as_json().items()}
        context.log_event(
            dg.AssetMaterialization(asset_key(env, DATABASE), description="Rolled back", metadata=facts)
        )

    return op


def _recover_op(env: EnvironmentContext) -> dg.OpDefinition:
    @dg.op(name=step_name(env, "recover"), pool=str(env.environment))
    def op(context: dg.OpExecutionContext, config: RecoverConfig) -> None:
        from ledgerflow_ops.core.restore import incident as incidents
        from ledgerflow_ops.operations.restore import recover

        with _typed_run(env, context, config.environment) as run_env:
            incident, restored = recover.recover(run_env, config)
        record = dg.MetadataValue.md(incidents.markdown(incident))
        facts = {
            "record": record,
            "file": dg.MetadataValue.path(str(recover.incidents_folder(env) / f"{incident.name}.md")),
        }
        context.log_event(dg.AssetMaterialization(asset_key(env, INCIDENT), metadata=facts))
        _record_restore(context, env, restored, {"incident": record})

    return op


def _record_restore(
    context: dg.OpExecutionContext,
    env: EnvironmentContext,
    restored: "RestoreResult",
    extra: Mapping[str, dg.MetadataValue],
) -> None:
    """Record the restore as a materialization; dg.Failure if a check after the restore failed."""
    context.log_event(
        dg.AssetMaterialization(
            asset_key(env, DATABASE),
            description=f"Restored from {restored.plan.candidate.name.dump}",
            metadata={**_metadata(restored), **extra},
        )
    )
    if bad := restored.bad:
        hint = str(bad.hint.within(env.environment))
        details: dict[str, Any] = {"hint": hint, "exit_code": 1, "kind": "LedgerError", "check": bad.name}
        raise dg.Failure(f"Restored, but: {bad.message}", metadata=details, allow_retries=False)


def _metadata(restored: "RestoreResult") -> dict[str, dg.MetadataValue]:
    plan = restored.plan
    manifest, live = plan.candidate.manifest, plan.target.live
    assert manifest is not None
    before = f"{live.relations} relations, {format_size(live.source.size)}" if live else "absent"
    rows = [
        dg.TableRecord({"check": check.name, "passed": check.passed, "message": check.message})
        for check in restored.checks
    ]
    return {
        "file": dg.MetadataValue.text(plan.candidate.name.dump),
        "from_environment": dg.MetadataValue.text(str(plan.request.origin)),
        "recovery_point": dg.MetadataValue.timestamp(manifest.recovery_point),
        "rows": dg.MetadataValue.int(manifest.rows),
        "before": dg.MetadataValue.text(before),
        "kept": dg.MetadataValue.text(restored.before or "nothing was there"),
        "safety_backup": dg.MetadataValue.text(restored.safety or "nothing was there to lose"),
        "seconds": dg.MetadataValue.float(round(sum(restored.durations.values()), 3)),
        "checks": dg.MetadataValue.table(rows),
    }
