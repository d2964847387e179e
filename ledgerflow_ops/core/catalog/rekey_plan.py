"""Which backups are encrypted anew for the present recipients: a decision with its reason for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ledgerflow_ops.core.catalog.catalog import CatalogEntry
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import is_encrypted
from ledgerflow_ops.core.catalog.rekeying import is_for
from ledgerflow_ops.core.models import FileFacts


class RekeyAction(StrEnum):
    """What is done with a backup. FINISH removes an old one whose new one is complete."""

    KEEP = "keep"
    ENCRYPT = "encrypt"
    FINISH = "finish"


@dataclass(frozen=True, slots=True)
class RekeyDecision:
    """What is done with the backup whose dump is `file`, and why. `size` are the bytes that are encrypted."""

    file: str
    action: RekeyAction
    reason: str
    size: int = 0

    @property
    def sentence(self) -> str:
        """The decision, for people."""
        return f"{self.action:<8}{self.file}: {self.reason}"


def plan_rekey(entries: Sequence[CatalogEntry], recipients: Sequence[str]) -> list[RekeyDecision]:
    """A decision for each of an environment's dumps, the oldest recovery point first."""
    owners = {
        entry.manifest.files.archive.file: entry.manifest
        for entry in entries
        if entry.manifest and entry.manifest.files
    }
    new = {
        entry.manifest.rekeyed.manifest_digest: entry.manifest.dump.file
        for entry in entries
        if entry.is_backup and entry.manifest and entry.manifest.rekeyed
    }
    ordered = sorted(entries, key=lambda entry: (str(entry.recovery_point or ""), entry.name.stem))
    return [_decide(entry, recipients, owners, new) for entry in ordered]


def new_of(entries: Sequence[CatalogEntry], old: Manifest) -> Manifest | None:
    """The sound backup that holds an old one's bytes, encrypted anew; None without one."""
    sound = (entry.manifest for entry in entries if entry.is_backup and entry.manifest)
    return next((new for new in sound if new.rekeyed and new.rekeyed.manifest_digest == old.digest), None)


def _decide(
    entry: CatalogEntry,
    recipients: Sequence[str],
    owners: Mapping[str, Manifest],
    new: Mapping[str, str],
) -> RekeyDecision:
    file, manifest = entry.name.dump, entry.manifest
    if manifest is None or entry.bad or not entry.local or entry.unread:
        return RekeyDecision(file, RekeyAction.KEEP, _obstacle(entry))
    if manifest.digest in new:
        reason = f"{new[manifest.digest]} holds the same, and is complete: the old one is removed"
        return RekeyDecision(file, RekeyAction.FINISH, reason)
    if not is_encrypted(file):
        return RekeyDecision(file, RekeyAction.KEEP, "it is not encrypted")
    if reason := _reason(manifest, recipients, owners):
        return RekeyDecision(file, RekeyAction.ENCRYPT, reason, _size(manifest))
    return RekeyDecision(file, RekeyAction.KEEP, "it is encrypted for the present recipients")


def _obstacle(entry: CatalogEntry) -> str:
    """Why a backup cannot be encrypted anew."""
    if entry.bad:
        return f"it is bad: {entry.problem or 'its last examination found that'}"
    if entry.problem:
        return f"it cannot be read now: {entry.problem}"
    return "its manifest is missing" if entry.manifest is None else "its bytes are only in the cloud"


def _reason(manifest: Manifest, recipients: Sequence[str], owners: Mapping[str, Manifest]) -> str:
    """Why a backup has to be encrypted anew; empty where it need not."""
    before = manifest.recipients or ()
    lacking = [one for one in recipients if one not in before]
    former = [one for one in before if one not in recipients]
    said = [f"{', '.join(lacking)} cannot read it"] if lacking else []
    said += [f"{', '.join(former)} can still read it"] if former else []
    if not said:
        needs = manifest.files.needs if manifest.files else ()
        said += [
            f"it needs {facts.file}, which may be encrypted for others"
            for facts in needs
            if not _is_current(facts, recipients, owners)
        ]
    return "; ".join(said)


def _is_current(facts: FileFacts, recipients: Sequence[str], owners: Mapping[str, Manifest]) -> bool:
    """Whether an archive of files is known to be encrypted for exactly these recipients."""
    if is_for(facts.file, recipients):
        return True
    owner = owners.get(facts.file)
    return owner is not None and set(owner.recipients or ()) == set(recipients)


def _size(manifest: Manifest) -> int:
    archives = manifest.files.archives if manifest.files else ()
    return sum(part.size for part in (manifest.dump, manifest.globals, *archives) if part)
