"""The backups that the launchpad of a restore offers, as the partitions of its job.

Dagster keeps the names in its storage, not in the definitions. The watch of the environment brings them up to
date once a minute, and loading the definitions does not become slower (decision 43).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from ledgerflow_ops.core.access.run_confirmation import require_chosen_file
from ledgerflow_ops.core.catalog.backup_summary import ListedDump
from ledgerflow_ops.core.catalog.catalog import LATEST, LATEST_PROVEN
from ledgerflow_ops.defs.names import choices_name, step_name
from ledgerflow_ops.operations.context import EnvironmentContext

_PARTITION = "dagster/partition"
_ALIASES = (LATEST_PROVEN, LATEST)
_OFFERED = 200
"""The number of newest backups that are offered. An older one is typed."""
_REFUSED_IN_KEYS = "..."
"""What a file's name may contain and a partition's key may not: Dagster writes ranges with it."""

Changes = list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest]


def backup_choices(env: EnvironmentContext) -> dg.DynamicPartitionsDefinition:
    """The backups that can be chosen: `latest-proven`, `latest`, then files, oldest first."""
    return dg.DynamicPartitionsDefinition(name=choices_name(env))


def config_of_choice(env: EnvironmentContext) -> "dg.PartitionedConfig[dg.DynamicPartitionsDefinition]":
    """The run config that a choice fills in: the file. The environment's name remains to be typed."""

    def filled_in(choice: str) -> Mapping[str, Any]:
        return {"ops": {step_name(env, "restore"): {"config": {"file": choice}}}}

    return dg.PartitionedConfig(backup_choices(env), run_config_for_partition_key_fn=filled_in)


def choice_changes(
    env: EnvironmentContext, instance: dg.DagsterInstance, listed: Sequence[ListedDump]
) -> Changes:
    """What has to be added to and removed from the choices, so that they are the backups of this folder.

    A bad backup is not offered, and neither is a dump without a manifest.
    """
    choices = backup_choices(env)
    before, now = instance.get_dynamic_partitions(choices_name(env)), _offered(listed)
    new, gone = [key for key in now if key not in before], [key for key in before if key not in now]
    return [
        *([choices.build_delete_request(gone)] if gone else []),
        *([choices.build_add_request(new)] if new else []),
    ]


def _offered(listed: Sequence[ListedDump]) -> list[str]:
    sound = [dump.summary for dump in listed if dump.summary and not dump.summary.bad]
    files = [backup.name.dump for backup in sorted(sound, key=lambda backup: backup.recovery_point)]
    kept = [file for file in files if _REFUSED_IN_KEYS not in file][-_OFFERED:]
    return [*_ALIASES, *kept] if kept else []


def require_choice_of_run(run: dg.DagsterRun, file: str) -> None:
    """Refused if a choice was loaded into the launchpad and another file was typed afterwards."""
    require_chosen_file(run.tags.get(_PARTITION), file)
