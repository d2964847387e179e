"""What the settings and our own notes protect on an engine, beside what labels and mounts say."""

from ledgerflow_ops import config
from ledgerflow_ops.config import Settings
from ledgerflow_ops.guard import audit_log
from ledgerflow_ops.guard.model import Guarded


def of(settings: Settings, engine: str) -> Guarded:
    """Volumes by name, the host's folders as written and as links lead, volumes seen on that engine."""
    folders = (settings.backup_root, settings.state_dir, *settings.archive_roots)
    return Guarded(
        volumes=frozenset(settings.guard.volumes),
        projects={
            entry.compose.project: str(environment)
            for environment, entry in settings.environments.items()
            if entry.compose
        },
        folders=tuple(
            dict.fromkeys(str(path) for folder in folders for path in (folder, config.real(folder)))
        ),
        remembered=audit_log.remembered(settings.state_dir, engine) if engine else {},
    )
