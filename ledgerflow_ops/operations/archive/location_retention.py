"""What an archive location keeps, where it has a retention of its own."""

from dataclasses import replace

from ledgerflow_ops.core.retention.retention_plan import RetentionCandidate, RetentionPolicy
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.context import EnvironmentContext


def environment_policy(env: EnvironmentContext) -> RetentionPolicy:
    """The retention of the environment's own folder, by its settings."""
    settings = env.settings
    return RetentionPolicy(
        days=settings.retention_days,
        minimum=settings.minimum_redundancy,
        weekly=settings.keep_weekly,
        monthly=settings.keep_monthly,
        yearly=settings.keep_yearly,
        share=settings.expire_share,
    )


def following_locations(env: EnvironmentContext) -> list[EnvironmentContext]:
    """The archive locations without a retention of their own: what the primary folder expires goes there too.

    They are folders. A rotation of the primary folder does not wait for a network.
    """
    return [at for at in env.locations()[1:] if location_policy(at) is None]


def retaining_locations(env: EnvironmentContext) -> list[EnvironmentContext]:
    """The archive locations that have a retention of their own, and are rotated by themselves."""
    return [at for at in env.locations()[1:] if location_policy(at) is not None]


def location_policy(at: EnvironmentContext) -> RetentionPolicy | None:
    """The location's own retention; None for a folder without one, which follows the primary folder.

    What its settings leave out is as in the environment's own.
    """
    archive = at.archive
    if archive is None:
        return None
    own = {
        "days": archive.retention_days,
        "weekly": archive.keep_weekly,
        "monthly": archive.keep_monthly,
        "yearly": archive.keep_yearly,
    }
    given = {name: value for name, value in own.items() if value is not None}
    if not given and archive.kind == "folder":
        return None
    return replace(environment_policy(at), **given)


def location_candidates(at: EnvironmentContext) -> list[RetentionCandidate]:
    """The location's own backups as retention sees them."""
    return [
        RetentionCandidate(
            name=entry.name.stem,
            day=entry.manifest.backup_day,
            recovery_point=entry.manifest.recovery_point,
            proven=entry.proven,
            bad=entry.bad,
            local=entry.local,
        )
        for entry in catalog.entries(at)
        if entry.manifest and entry.manifest.environment is at.environment
    ]
