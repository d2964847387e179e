"""Writes the recovery kit of an environment: a folder that needs none of this software. It has no secret."""

from pathlib import Path

from ledgerflow_ops.adapters.storage import durable_record
from ledgerflow_ops.adapters.storage.folder import Folder
from ledgerflow_ops.core.catalog import catalog as core_catalog
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.history.entry import Line
from ledgerflow_ops.core.history.holdings import Holding
from ledgerflow_ops.core.restore import recovery_kit
from ledgerflow_ops.core.restore.kit_history import KitHistory
from ledgerflow_ops.core.restore.recovery_kit import KitFacts
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import history_files, own_history

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
    history, problem = _history(env, manifest)
    kit = KitFacts(
        manifest,
        entry.proof.examined_at,
        env.ctx.clock(),
        _places(env, manifest),
        recipients,
        history,
        problem,
    )
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


def _history(env: EnvironmentContext, manifest: Manifest) -> tuple[KitHistory | None, str]:
    """The signed history that has the backup; else None and the reason, and the kit is written without."""
    try:
        held = own_history.own_holdings(env).get(BackupName.of(manifest.dump.file).stem)
        if held is None:
            return None, "none: this installation has no entry of the backup"
        history = _of_copies(env, held)
    except (LedgerError, ValueError) as error:
        return None, f"none: the history could not be read ({error})"
    return history, "" if history else "none: no location has a copy of it yet that names the backup"


def _of_copies(env: EnvironmentContext, held: Holding) -> KitHistory | None:
    """The history as the copies have it that name the backup and its proof; None where none does.

    The head is the newest that all of them had: copies are written one after the other.
    """
    key = history_files.signing_key(env.ctx)
    stores = [env.store, *history_files.archive_stores(env, env.ctx.reporter.say)]
    copies = [history_files.copy_in(env, store) for store in stores]
    written = {copy.location: history_files.written_to(env, copy) for copy in copies}
    places = [place for place, entries in written.items() if entries >= max(held.n, held.proof_n)]
    if key is None or not places:
        return None
    entries = min(written[place] for place in places)
    head = Line.decode(history_files.own_lines(env, key)[entries - 1]).digest
    others = [public for public in env.ctx.settings.history_keys if public != key.public]
    return KitHistory(key.public, key.id, others, places, entries, head, held.earlier)
