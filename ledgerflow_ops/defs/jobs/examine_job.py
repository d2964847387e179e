"""The job that verifies or drills a copy in an archive location.

It is a job of its own: the partitions and checks of verify and drill show the environment's own folder. The
verdict is an observation of the dump, and the proof beside the copy; a bad copy fails the run.
"""

from typing import TYPE_CHECKING

import dagster as dg

from ledgerflow_ops.core.errors import SettingsError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.operation_requests import ExamineRequest
from ledgerflow_ops.defs.assets import metadata
from ledgerflow_ops.defs.jobs.restore_jobs import op_job
from ledgerflow_ops.defs.names import DUMP, asset_key, job_name, step_name
from ledgerflow_ops.defs.run_config import ExamineConfig
from ledgerflow_ops.defs.runs.run_context import env_for_run, failures_on_record
from ledgerflow_ops.operations.context import EnvironmentContext

if TYPE_CHECKING:
    from ledgerflow_ops.core.catalog.naming import BackupName
    from ledgerflow_ops.operations.archive.sources import Source
    from ledgerflow_ops.operations.verification.examination import Examination


def examine_jobs(env: EnvironmentContext) -> list[dg.JobDefinition]:
    """The job, for an environment that has archive locations."""
    if not env.ctx.settings.locations_of(env.environment):
        return []
    text = "Verify or drill a copy in an archive location: file is LOCATION:NAME. Colours no day."
    return [op_job(job_name(env, ExamineRequest.verb), _examine_op(env), text)]


def backup_in_folder(env: EnvironmentContext, file: str) -> "BackupName":
    """The backup that `file` names, for a run whose days are about the environment's own folder.

    SettingsError (2) where it is nowhere, or in an archive location alone: the hint names the job for those.
    """
    at, name = _first_source(env, file)
    if at.archive is None:
        return name
    copy = f"{at.archive.name}:{name.dump}"
    raise SettingsError(
        f"{copy} is a copy in an archive location: this job is about the environment's own folder.",
        hint=Hint(
            f"Launch the job {job_name(env, ExamineRequest.verb)} with this file; or type ",
            make("verify", env.environment, FILE=copy),
        ),
    )


def _examine_op(env: EnvironmentContext) -> dg.OpDefinition:
    @dg.op(name=step_name(env, ExamineRequest.verb), pool=str(env.environment))
    def op(context: dg.OpExecutionContext, config: ExamineConfig) -> None:
        from ledgerflow_ops.operations.verification.drill import drill
        from ledgerflow_ops.operations.verification.verify import verify

        run_env = env_for_run(env, context)
        with failures_on_record(env.environment):
            at, name = _copy(run_env, config.file)
            examination = (drill if config.drill else verify)(at, name)
        _record(context, run_env, examination)

    return op


def _copy(env: EnvironmentContext, file: str) -> "Source":
    """The copy that `file` names; SettingsError (2) for a backup of the environment's own folder."""
    at, name = _first_source(env, file)
    if at.archive:
        return at, name
    locations = ", ".join(str(place.archive.name) for place in env.locations() if place.archive)
    raise SettingsError(
        f"{name.dump} is in the environment's own folder: this job is about copies in {locations}.",
        hint=Hint(
            f"Name the location, such as {locations.split(', ')[0]}:{name.dump}; or launch "
            f"{job_name(env, 'verify')} or {job_name(env, 'drill')}."
        ),
    )


def _first_source(env: EnvironmentContext, file: str) -> "Source":
    from ledgerflow_ops.operations.archive.sources import first_source

    return first_source(env, file)


def _record(context: dg.OpExecutionContext, env: EnvironmentContext, examination: "Examination") -> None:
    """Record the verdict about a copy. dg.Failure, with exit code 4, where the copy is bad."""
    archive, failed = examination.env.archive, examination.bad
    assert archive
    copy = f"{archive.name}:{examination.name.dump}"
    facts = metadata.examination_metadata(examination)
    del facts["file"]  # an observation with `file` is one of the quarantine's
    facts["copy"] = dg.MetadataValue.text(copy)
    facts["verdict"] = dg.MetadataValue.text(failed.message if failed else "good")
    manifest = examination.manifest
    day = manifest.backup_day.isoformat() if manifest else None
    context.log_event(dg.AssetObservation(asset_key(env, DUMP), partition=day, metadata=facts))
    if failed:
        hint = str(failed.hint.within(env.environment))
        details: dict[str, str | int] = {"hint": hint, "exit_code": 4, "kind": "BadBackup"}
        raise dg.Failure(f"{copy} is bad: {failed.message}", metadata=details, allow_retries=False)
