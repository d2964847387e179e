"""Files of backups that were changed outside of the system, against what was seen of them last.

Ours are: a backup whose manifest commits it, proofs and pins, and what rotation took away, which leaves a
trace in the history. Everything else that comes, goes or changes was somebody else.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.catalog.backup_summary import ListedDump
from ledgerflow_ops.core.catalog.naming import DUMP, FILES, GLOBALS, MANIFEST, PROOF, BackupName
from ledgerflow_ops.core.environments import Environment

REPORTED = timedelta(days=7)
"""So long a removal or a foreign dump is told; then it is how things are."""
_FIXED = (DUMP, FILES, GLOBALS, MANIFEST)
"""What nobody changes any more once a backup is committed. Proofs are written anew by every drill."""
_NAMED = 5


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it was seen: bytes, time of last change (ns), inode."""

    size: int
    modified: int
    inode: int
    away: bool = False

    def same(self, other: "FileState") -> bool:
        """Whether nobody wrote to it or put another in its place. What is in the cloud is left out."""
        mine, theirs = (self.size, self.modified, self.inode), (other.size, other.modified, other.inode)
        return self.away or other.away or mine == theirs


@dataclass(frozen=True, slots=True)
class DriftState:
    """What is remembered between two looks: the files, since when some are missed, since when some are there
    that are not ours, and since when some are not as they were. `mark` is another whenever any file is."""

    files: Mapping[str, FileState] = field(default_factory=dict)
    missed: Mapping[str, datetime] = field(default_factory=dict)
    foreign: Mapping[str, datetime] = field(default_factory=dict)
    changed: Mapping[str, datetime] = field(default_factory=dict)
    mark: str = ""

    @property
    def quiet(self) -> bool:
        """Whether nothing of it has to be looked for again as long as the mark stays the same."""
        return bool(self.mark) and not self.missed and not self.changed


@dataclass(frozen=True, slots=True)
class FolderView:
    """An environment's folder now. `rotated` says of a stem whether rotation took it away; `exposed` are the
    files that others may touch."""

    environment: Environment
    files: Mapping[str, FileState]
    listed: Sequence[ListedDump]
    rotated: Callable[[str], bool]
    exposed: Sequence[str]
    folder: str
    mark: str = ""


def find_drift(
    known: DriftState | None, look: FolderView, now: datetime, *, busy: bool = False
) -> tuple[list[Finding], DriftState]:
    """What has drifted since `known` (None: nothing is known yet), and what to remember from now on.

    While an operation of ours is at work (`busy`), what it has half done is no drift: then only what was
    found before is told again, and nothing new is learnt.
    """
    before = known or DriftState()
    missed, changed = _missing_files(before, look, now), _changed_files(before, look, now)
    foreign = {
        dump.name.dump: before.foreign.get(dump.name.dump, now)
        for dump in look.listed
        if not dump.manifest and not look.rotated(dump.name.stem)
    }
    if busy:
        missed = {name: since for name, since in missed.items() if name in before.missed}
        changed = {name: since for name, since in changed.items() if name in before.changed}
        foreign = {name: since for name, since in foreign.items() if name in before.foreign}
    files = {name: seen for name, seen in look.files.items() if is_ours(name)}
    files |= {name: before.files[name] for name in (*missed, *changed)}
    after = DriftState(files, missed, foreign, changed, look.mark)
    findings = [
        *_removal_findings(after, look),
        *_change_findings(after, look),
        *_foreign_findings(after, look, now),
        *_permission_findings(look),
        *_evicted_findings(look),
    ]
    return findings, before if busy else after


def is_ours(name: str) -> bool:
    """Whether it is the name of a backup's file."""
    return name.endswith((*_FIXED, PROOF)) and not name.startswith(".")


def _missing_files(before: DriftState, look: FolderView, now: datetime) -> dict[str, datetime]:
    """Files of backups that are gone, since when; those that rotation took and those long missed left out."""
    backups = {BackupName.of(name).stem for name in before.files if name.endswith(MANIFEST)}
    return {
        name: since
        for name in before.files
        if name not in look.files
        and (stem := BackupName.of(name).stem) in backups
        and not look.rotated(stem)
        and now - (since := before.missed.get(name, now)) < REPORTED
    }


def _changed_files(before: DriftState, look: FolderView, now: datetime) -> dict[str, datetime]:
    """Files that are not as they were, since when. An examination since that found all well settles it."""
    well = {
        dump.name.stem: dump.summary.examined_at
        for dump in look.listed
        if dump.summary and dump.summary.examined_at and not dump.summary.bad
    }
    changed = {}
    for name, seen in before.files.items():
        if name.endswith(_FIXED) and name in look.files and not seen.same(look.files[name]):
            since = before.changed.get(name, now)
            examined = well.get(BackupName.of(name).stem)
            if examined is None or examined <= since:
                changed[name] = since
    return changed


def _removal_findings(after: DriftState, look: FolderView) -> Iterator[Finding]:
    for stem in sorted({BackupName.of(name).stem for name in after.missed}):
        files = sorted(name for name in after.missed if BackupName.of(name).stem == stem)
        since = min(after.missed[name] for name in files)
        proof = all(name.endswith(PROOF) for name in files)
        hint = f"restore-test FILE={stem}{DUMP}" if proof else "recover DRY_RUN=1"
        yield Finding(
            look.environment,
            "removed",
            stem + DUMP,
            Level.WARNING if proof else Level.CRITICAL,
            f"{', '.join(files)}: gone from {look.folder} since {since:%Y-%m-%d %H:%M} UTC at the latest. "
            f"No rotation took it.",
            f"Bring it back from another location, or look what is left: "
            f"LEDGER_ENV={look.environment} make {hint}",
            f"files of {look.environment} were removed",
        )


def _change_findings(after: DriftState, look: FolderView) -> Iterator[Finding]:
    for name, since in sorted(after.changed.items()):
        was, now = after.files[name], look.files[name]
        what = (
            f"{was.size} bytes were {now.size}" if was.size != now.size else "it was written to or replaced"
        )
        what = f"it had {was.size} bytes and has {now.size}" if was.size != now.size else what
        dump = BackupName.of(name).dump
        yield Finding(
            look.environment,
            "changed",
            name,
            Level.CRITICAL,
            f"{name} in {look.folder} was changed from outside, seen at {since:%Y-%m-%d %H:%M} UTC: {what}.",
            f"LEDGER_ENV={look.environment} make verify FILE={dump}",
            f"files of {look.environment} were changed",
        )


def _foreign_findings(after: DriftState, look: FolderView, now: datetime) -> Iterator[Finding]:
    for dump, since in sorted(after.foreign.items()):
        if now - since < REPORTED:
            yield Finding(
                look.environment,
                "foreign",
                dump,
                Level.WARNING,
                f"{dump} in {look.folder} has no manifest: no backup of ours. It is in the catalog as "
                f"`no manifest`, is kept, and proves nothing.",
                f"LEDGER_ENV={look.environment} make restore-test FILE={dump}",
            )


def _permission_findings(look: FolderView) -> Iterator[Finding]:
    """Files that others may read or write, or that belong to somebody else."""
    if look.exposed:
        yield Finding(
            look.environment,
            "permissions",
            "files",
            Level.WARNING,
            f"Others may read or change, in {look.folder}: {_name_list(look.exposed)}.",
            f"chmod -R go-rwx {look.folder}",
        )


def _evicted_findings(look: FolderView) -> Iterator[Finding]:
    """Backups whose bytes are only in the cloud; critical where no proven one is left here."""
    away = sorted(dump.name.dump for dump in look.listed if not dump.local)
    if away:
        here = any(dump.summary and dump.summary.proven and dump.local for dump in look.listed)
        yield Finding(
            look.environment,
            "evicted",
            "files",
            Level.WARNING if here else Level.CRITICAL,
            f"{len(away)} backup(s) are only in the cloud: {_name_list(away)}."
            + ("" if here else " No proven backup is on this machine."),
            f"Download them (macOS: brctl download {look.folder}); "
            f"then LEDGER_ENV={look.environment} make status",
        )


def _name_list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def encode_files(known: DriftState) -> dict[str, Any]:
    """The files as plain data, to be kept."""
    files = {name: [file.size, file.modified, file.inode, file.away] for name, file in known.files.items()}
    return {"files": files}


def decode_files(fields: Mapping[str, Any]) -> dict[str, FileState]:
    """What `encode_files` made; KeyError, TypeError, ValueError or AttributeError for something else."""
    return {str(name): FileState(*values) for name, values in fields["files"].items()}


def encode(known: DriftState) -> dict[str, Any]:
    """All but the files as plain data, to be kept."""
    parts = {"missed": known.missed, "foreign": known.foreign, "changed": known.changed}
    spans = {word: {name: at.isoformat() for name, at in part.items()} for word, part in parts.items()}
    return {"mark": known.mark, **spans}


def decode(fields: Mapping[str, Any]) -> DriftState:
    """What `encode` made, without files; the same errors."""

    def instants(word: str) -> dict[str, datetime]:
        return {str(name): datetime.fromisoformat(since) for name, since in fields[word].items()}

    return DriftState({}, instants("missed"), instants("foreign"), instants("changed"), str(fields["mark"]))
