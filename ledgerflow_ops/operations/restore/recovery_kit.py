"""Writes the recovery kit of an environment: a folder that needs none of this software. It has no secret."""

from pathlib import Path

from ledgerflow_ops.adapters.storage import durable_record
from ledgerflow_ops.adapters.storage.folder import Folder
from ledgerflow_ops.core.catalog import catalog as core_catalog
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.restore import recovery_kit
from ledgerflow_ops.core.restore.recovery_kit import KitFacts
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.context import EnvironmentContext

RECIPIENTS = "recipients.txt"


def kit_folder(env: EnvironmentContext) -> Path:
    """The default folder of the kit, beside the backups of all environments."""
    return env.ctx.settings.backup_root / "recovery-kit" / str(env.environment)


def write_kit(env: EnvironmentContext, into: Path | None = None) -> Path:
    """Write README.md, SHA256SUMS and the recipients for the newest proven backup; returns the folder.

    Refused (3) where no backup is proven: there is nothing to rely on.
    """
    entry = core_catalog.newest_proven(catalog.entries(env))
    if entry is None or entry.manifest is None or entry.proof is None:
        raise Refused(
            f"{env.environment} has no proven backup: a kit would lead nowhere.",
            hint=Hint("Take and prove one: ", make("backup")),
        )
    manifest = entry.manifest
    recipients = manifest.recipients or ()
    kit = KitFacts(manifest, entry.proof.examined_at, env.ctx.clock(), _places(env, manifest), recipients)
    folder = into or kit_folder(env)
    durable_record.write(folder, "README.md", recovery_kit.readme(kit))
    durable_record.write(folder, "SHA256SUMS", recovery_kit.checksums(kit))
    durable_record.write(folder, RECIPIENTS, "".join(f"{one}\n" for one in recipients))
    for name, members in recovery_kit.member_lists(kit).items():
        Folder(folder).replace(name, members)
    return folder


def _places(env: EnvironmentContext, manifest: Manifest) -> list[str]:
    """The locations that have the backup, the primary folder first."""
    return [at.store.location for at in env.locations() if at is env or _has(at, manifest)]


def _has(at: EnvironmentContext, manifest: Manifest) -> bool:
    try:
        return at.store.taken(manifest.dump.file)
    except LedgerError:
        return False
