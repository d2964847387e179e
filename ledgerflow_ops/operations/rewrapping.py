"""Encrypts one backup anew for the present recipients, and puts it in the old one's place (decision 49).

The new files get names of their own. What was decrypted from each of them again must equal what was decrypted
from the old one. The manifest commits them; until then a killed process leaves the old backup, and the next
sweep removes the new files.
"""

import hashlib
import io
from collections.abc import Mapping

from ledgerflow_ops.adapters.storage.age_codec import AgeCodec
from ledgerflow_ops.adapters.storage.store import StoredFile
from ledgerflow_ops.adapters.storage.stored_file import CHUNK
from ledgerflow_ops.core.catalog.files import FilesState
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rekeying import RekeyOrigin, rekeyed_file, rekeyed_name
from ledgerflow_ops.core.errors import BadBackup, KeyUnavailable, LedgerError, Refused
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.history.entry import Kind
from ledgerflow_ops.core.models import FileFacts
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.archive.copying import data_files, is_committed_file
from ledgerflow_ops.operations.backup.file_placement import FilePlacement
from ledgerflow_ops.operations.backup_lock import hold_backup
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import recording

_ROOM_FOR_RECORDS = 1_000_000
_BOTH = Hint(
    "A new file is decrypted again before the old one is removed. Put the identity of one of the recipients "
    "on a line of its own into the file of identity_file, beside the old one."
)


def require_keys(env: EnvironmentContext) -> None:
    """KeyUnavailable (5) where no identity is here, or none that opens what the recipients encrypt."""
    identities = env.identities
    identities.read()
    sealed, codec = io.BytesIO(), AgeCodec(env.settings.all_recipients, identities)
    encoder = codec.encoder(sealed.write)
    encoder.write(b"probe")
    encoder.close()
    try:
        opened = codec.decoder(io.BytesIO(sealed.getvalue()))
        while opened.read(CHUNK):
            pass
        opened.close()
    except KeyUnavailable:
        raise KeyUnavailable("No identity here opens what the recipients encrypt.", hint=_BOTH) from None


def rewrap(env: EnvironmentContext, old: Manifest, known: Mapping[str, FileFacts]) -> Manifest:
    """Encrypt a backup's files anew, and commit them; returns the new manifest. The old one stays.

    Requires the environment's lock. `known` are the files of committed backups: an archive that was encrypted
    anew for another backup is used again. BadBackup (4) where an old file is not the committed one,
    KeyUnavailable (5) where it does not open, LedgerError (1) without space.
    """
    with hold_backup(env, BackupName.of(old.dump.file), "rekey"):
        return _Rewrapping(env, old, known).make()


class _Rewrapping:
    """One backup that is encrypted anew."""

    def __init__(self, env: EnvironmentContext, old: Manifest, known: Mapping[str, FileFacts]) -> None:
        self.env, self.old, self.known = env, old, known
        self.recipients = env.settings.all_recipients
        self.name = rekeyed_name(BackupName.of(old.dump.file), self.recipients)
        self.placement = FilePlacement(env, self.name)
        self.report = env.ctx.reporter

    def make(self) -> Manifest:
        self._require_free_name()
        self._require_space()
        self._require_committed()
        with self.placement.all_or_none():
            files = {facts.file: self._encrypt(facts) for facts in data_files(self.old)}
            manifest = self._manifest(files)
            self.report.step(Step.COMMIT)
            with (
                recording.committing(self.env, manifest, Kind.REKEY),
                self.placement.placing(self.name.manifest),
            ):
                self.env.store.put(self.name.manifest, manifest.encode())
        return manifest

    def _require_free_name(self) -> None:
        for file in (self.name.dump, self.name.manifest):
            if self.env.store.taken(file):
                raise Refused(
                    f"{self.env.store.describe(file)} exists already, and is not this backup's.",
                    hint=Hint("Nothing was changed. Move that file away; then ", make("rekey", ALL=1)),
                )

    def _require_space(self) -> None:
        wanted = (facts for facts in data_files(self.old) if self._new(facts) not in self.known)
        needed, free = sum(facts.size for facts in wanted) + _ROOM_FOR_RECORDS, self.env.store.free()
        if free is not None and free < needed:
            raise LedgerError(
                f"Not enough space in {self.env.store.location} to encrypt {self.old.dump.file} anew: "
                f"{format_size(needed)} needed, {format_size(free)} free.",
                hint=Hint("Free space there. Nothing was changed."),
            )

    def _require_committed(self) -> None:
        """BadBackup unless every old file holds the bytes that its manifest commits."""
        self.report.step(Step.READ_OLD)
        for facts in data_files(self.old):
            if not is_committed_file(self.env.store, facts):
                raise BadBackup(
                    f"{self.env.store.describe(facts.file)} is not what its manifest commits: it was not "
                    "encrypted anew.",
                    hint=Hint("Replace it from a good copy: ", make("repair", FILE=self.old.dump.file)),
                )

    def _new(self, facts: FileFacts) -> str:
        return rekeyed_file(facts.file, self.recipients)

    def _encrypt(self, facts: FileFacts) -> FileFacts:
        """Write a file anew and decrypt it again; the facts of the new one."""
        name, store = self._new(facts), self.env.store
        if known := self.known.get(name):
            return known
        self.report.step(Step.ENCRYPT)
        plain, done = hashlib.sha256(), 0
        with self.env.file(facts.file).open() as source, store.create(name, self.env.codec) as file:
            while chunk := source.read(CHUNK):
                plain.update(chunk)
                file.write(chunk)
                done += len(chunk)
                self.report.moved(done, facts.size)
            size, sha256 = file.end()
            file.sync()
            self.placement.place(file)
        self.report.step(Step.DECRYPT_BACK)
        same = _plain_sha256(self.env.file(name)) == plain.hexdigest()
        if not same or store.content(name) != (size, sha256):
            raise LedgerError(
                f"{store.describe(name)} was read back and differs from {facts.file}: it was not kept.",
                hint=Hint("The old backup is unchanged. Check the disk; then ", make("rekey", ALL=1)),
            )
        return FileFacts(file=name, size=size, sha256=sha256)

    def _manifest(self, files: Mapping[str, FileFacts]) -> Manifest:
        """The old manifest with the new files, and where they come from."""
        old = self.old
        origin = RekeyOrigin(
            file=old.dump.file,
            sha256=old.dump.sha256,
            manifest_digest=old.digest,
            at=self.env.ctx.clock(),
        )
        changed = {
            "dump": files[old.dump.file],
            "globals": files[old.globals.file] if old.globals else None,
            "files": _with_archives(old.files, files) if old.files else None,
            "recipients": self.recipients,
            "rekeyed": origin,
        }
        made = old.model_copy(update=changed)
        return Manifest.decode(made.encode(), self.name.manifest)


def _with_archives(state: FilesState, files: Mapping[str, FileFacts]) -> FilesState:
    """The same files, in the archives that were encrypted anew."""
    entries = tuple(
        entry.model_copy(update={"archive": files[entry.archive].file}) if entry.archive else entry
        for entry in state.entries
    )
    needs = tuple(sorted((files[facts.file] for facts in state.needs), key=lambda facts: facts.file))
    return state.model_copy(update={"archive": files[state.archive.file], "needs": needs, "entries": entries})


def _plain_sha256(file: StoredFile) -> str:
    """SHA-256 of a file's plain bytes, all of which were authenticated."""
    digest = hashlib.sha256()
    with file.open() as opened:
        while chunk := opened.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def committed_files(env: EnvironmentContext) -> dict[str, FileFacts]:
    """The files of the environment's sound backups, by name."""
    return {
        facts.file: facts
        for entry in catalog.entries(env)
        if entry.is_backup and entry.manifest
        for facts in data_files(entry.manifest)
    }
