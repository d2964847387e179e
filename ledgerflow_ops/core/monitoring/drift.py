"""Drift: files of backups that were added, changed or removed by anything but this system.

The folder is compared with its state at the last check. Changes of our own are: a backup that its manifest
commits, proofs and pins, what rotation removed, which leaves a record in the history, and what was moved into
quarantine, which leaves one there. Every other change was made by somebody else.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.catalog.backup_summary import ListedDump
from ledgerflow_ops.core.catalog.naming import DATA, DUMP, MANIFEST, PROOF, BackupName
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.hints import Hint, command, make

REPORTED = timedelta(days=7)
"""How long a removed file or a foreign dump is reported; after that it counts as normal."""
_FIXED = (*DATA, MANIFEST)
"""Files that never change once a backup is committed. Proofs are rewritten by every drill."""
_NAMED = 5


@dataclass(frozen=True, slots=True)
class FileState:
    """A file at the last check: size in bytes, time of last change (ns), inode.

    `away`: its bytes are only in the cloud.
    """

    size: int
    modified: int
    inode: int
    away: bool = False

    def same(self, other: "FileState") -> bool:
        """Whether nobody wrote to it or replaced it.

        A file whose bytes are in the cloud cannot be compared.
        """
        mine, theirs = (self.size, self.modified, self.inode), (other.size, other.modified, other.inode)
        return self.away or other.away or mine == theirs


@dataclass(frozen=True, slots=True)
class DriftState:
    """What is remembered between two checks.

    `files` are those of backups; `missed`, `foreign` and `changed` hold since when (aware) a file is missing,
    is there and is not ours, or differs. `mark` changes whenever any file of the folder does.
    """

    files: Mapping[str, FileState] = field(default_factory=dict)
    missed: Mapping[str, datetime] = field(default_factory=dict)
    foreign: Mapping[str, datetime] = field(default_factory=dict)
    changed: Mapping[str, datetime] = field(default_factory=dict)
    mark: str = ""

    @property
    def quiet(self) -> bool:
        """Whether nothing need be compared again as long as the mark stays the same."""
        return bool(self.mark) and not self.missed and not self.changed


@dataclass(frozen=True, slots=True)
class FolderView:
    """An environment's folder now.

    `rotated` says of a backup's stem whether rotation removed it, or it is in quarantine; `exposed` are the
    files that other accounts may read or change.
    """

    environment: Environment
    files: Mapping[str, FileState]
    listed: Sequence[ListedDump]
    rotated: Callable[[str], bool]
    exposed: Sequence[str]
    folder: str
    mark: str = ""


def find_drift(
    known: DriftState | None, view: FolderView, now: datetime, *, busy: bool = False
) -> tuple[list[Finding], DriftState]:
    """The drift since `known` (None: this is the first check), and what to remember from now on.

    While an operation of ours is running (`busy`), its unfinished work is no drift. Then only earlier
    findings are repeated, and nothing new is remembered.
    """
    before = known or DriftState()
    missed, changed = _missing_files(before, view, now), _changed_files(before, view, now)
    foreign = {
        dump.name.dump: before.foreign.get(dump.name.dump, now)
        for dump in view.listed
        if not dump.manifest and not view.rotated(dump.name.stem)
    }
    if busy:
        missed = {name: since for name, since in missed.items() if name in before.missed}
        changed = {name: since for name, since in changed.items() if name in before.changed}
        foreign = {name: since for name, since in foreign.items() if name in before.foreign}
    files = {name: seen for name, seen in view.files.items() if is_ours(name)}
    files |= {name: before.files[name] for name in (*missed, *changed)}
    after = DriftState(files, missed, foreign, changed, view.mark)
    findings = [
        *_removal_findings(after, view),
        *_change_findings(after, view),
        *_foreign_findings(after, view, now),
        *_permission_findings(view),
        *_evicted_findings(view),
    ]
    return findings, before if busy else after


def is_ours(name: str) -> bool:
    """Whether `name` is that of a backup's file."""
    return name.endswith((*_FIXED, PROOF)) and not name.startswith(".")


def _missing_files(before: DriftState, view: FolderView, now: datetime) -> dict[str, datetime]:
    """Missing files of backups, and since when; without those that rotation removed or that are
    long missing.
    """
    backups = {BackupName.of(name).stem for name in before.files if name.endswith(MANIFEST)}
    return {
        name: since
        for name in before.files
        if name not in view.files
        and (stem := BackupName.of(name).stem) in backups
        and not view.rotated(stem)
        and now - (since := before.missed.get(name, now)) < REPORTED
    }


def _changed_files(before: DriftState, view: FolderView, now: datetime) -> dict[str, datetime]:
    """Files that have changed, and since when. A later examination that found the backup good settles it."""
    good = {
        dump.name.stem: dump.summary.examined_at
        for dump in view.listed
        if dump.summary and dump.summary.examined_at and not dump.summary.bad
    }
    changed = {}
    for name, seen in before.files.items():
        if name.endswith(_FIXED) and name in view.files and not seen.same(view.files[name]):
            since = before.changed.get(name, now)
            examined = good.get(BackupName.of(name).stem)
            if examined is None or examined <= since:
                changed[name] = since
    return changed


def _removal_findings(after: DriftState, view: FolderView) -> Iterator[Finding]:
    for stem in sorted({BackupName.of(name).stem for name in after.missed}):
        files = sorted(name for name in after.missed if BackupName.of(name).stem == stem)
        since = min(after.missed[name] for name in files)
        proof = all(name.endswith(PROOF) for name in files)
        look_at = make("restore-test", FILE=stem + DUMP) if proof else make("recover", DRY_RUN=1)
        yield Finding(
            view.environment,
            "removed",
            stem + DUMP,
            Level.WARNING if proof else Level.CRITICAL,
            f"{', '.join(files)}: missing from {view.folder} since {since:%Y-%m-%d %H:%M} UTC at the latest. "
            "No rotation removed it.",
            Hint("Restore it from another location, or check what is left: ", look_at),
            f"files of {view.environment} were removed",
        )


def _change_findings(after: DriftState, view: FolderView) -> Iterator[Finding]:
    for name, since in sorted(after.changed.items()):
        was, now = after.files[name], view.files[name]
        resized = f"it had {was.size} bytes and has {now.size}"
        what = resized if was.size != now.size else "it was written to or replaced"
        dump = BackupName.of(name).dump
        yield Finding(
            view.environment,
            "changed",
            name,
            Level.CRITICAL,
            f"{name} in {view.folder} was changed by something else than this system, seen at "
            f"{since:%Y-%m-%d %H:%M} UTC: {what}.",
            Hint(make("verify", view.environment, FILE=dump)),
            f"files of {view.environment} were changed",
        )


def _foreign_findings(after: DriftState, view: FolderView, now: datetime) -> Iterator[Finding]:
    for dump, since in sorted(after.foreign.items()):
        if now - since < REPORTED:
            yield Finding(
                view.environment,
                "foreign",
                dump,
                Level.WARNING,
                f"{dump} in {view.folder} has no manifest, so it is no backup of ours. The catalog lists "
                "it as `no manifest`; it is kept, and proves nothing.",
                Hint(make("restore-test", view.environment, FILE=dump)),
            )


def _permission_findings(view: FolderView) -> Iterator[Finding]:
    """Files that other accounts may read or write, or that belong to another account."""
    if view.exposed:
        yield Finding(
            view.environment,
            "permissions",
            "files",
            Level.WARNING,
            f"Other accounts may read or change files in {view.folder}: {_name_list(view.exposed)}.",
            Hint(command("chmod", "-R", "go-rwx", view.folder)),
        )


def _evicted_findings(view: FolderView) -> Iterator[Finding]:
    """Backups whose bytes are only in the cloud; critical where no proven one is on this machine."""
    away = sorted(dump.name.dump for dump in view.listed if not dump.local)
    if away:
        here = any(dump.summary and dump.summary.proven and dump.local for dump in view.listed)
        yield Finding(
            view.environment,
            "evicted",
            "files",
            Level.WARNING if here else Level.CRITICAL,
            f"{count_of(len(away), 'backup is', 'backups are')} only in the cloud: {_name_list(away)}."
            + ("" if here else " No proven backup is on this machine."),
            Hint(
                "Download them (macOS: ",
                command("brctl", "download", view.folder),
                "); then ",
                make("status", view.environment),
            ),
        )


def _name_list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def encode_files(known: DriftState) -> dict[str, Any]:
    """The files as plain data, to be stored."""
    files = {name: [file.size, file.modified, file.inode, file.away] for name, file in known.files.items()}
    return {"files": files}


def decode_files(fields: Mapping[str, Any]) -> dict[str, FileState]:
    """What `encode_files` made; KeyError, TypeError, ValueError or AttributeError for anything else."""
    return {str(name): FileState(*values) for name, values in fields["files"].items()}


def encode(known: DriftState) -> dict[str, Any]:
    """All but the files as plain data, to be stored."""
    parts = {"missed": known.missed, "foreign": known.foreign, "changed": known.changed}
    spans = {word: {name: at.isoformat() for name, at in part.items()} for word, part in parts.items()}
    return {"mark": known.mark, **spans}


def decode(fields: Mapping[str, Any]) -> DriftState:
    """What `encode` made, without files; the same errors."""

    def instants(word: str) -> dict[str, datetime]:
        return {str(name): datetime.fromisoformat(since) for name, since in fields[word].items()}

    return DriftState({}, instants("missed"), instants("foreign"), instants("changed"), str(fields["mark"]))
