"""What the settings and our records protect on an engine, in addition to labels and mounts."""

from ledgerflow_ops import config
from ledgerflow_ops.config import Settings
from ledgerflow_ops.guard import audit_log
from ledgerflow_ops.guard.model import ConfiguredProtection


def configured_protection(settings: Settings, engine: str) -> ConfiguredProtection:
    """The volumes of the settings, the host's folders as written and resolved, the engine's known volumes."""
    folders = (settings.backup_root, settings.state_dir, *settings.archive_roots)
    return ConfiguredProtection(
        volumes=frozenset(settings.guard.volumes),
        projects={
            entry.compose.project: str(environment)
            for environment, entry in settings.environments.items()
            if entry.compose
        },
        folders=tuple(
            dict.fromkeys(str(path) for folder in folders for path in (folder, config.resolved_path(folder)))
        ),
        remembered=audit_log.known_postgres_volumes(settings.state_dir, engine) if engine else {},
    )
