"""Verifies a backup: reads every byte and compares it with its manifest. Proves up to *readable*."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ledgerflow_ops.adapters.dump import archive
from ledgerflow_ops.adapters.dump.archive_head import definitions_path
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.adapters.storage import cloud_download
from ledgerflow_ops.core import sizes
from ledgerflow_ops.core.catalog import naming
from ledgerflow_ops.core.catalog.backup_summary import recent_sizes
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import MAGIC, BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.checks import Check, failed, passed, warned
from ledgerflow_ops.core.comparison.seal_comparison import Difference, contents_equal, rows_against_seal
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.errors import BadBackup, CannotJudge, LedgerError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.models import FileFacts
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations import catalog, journal, summaries
from ledgerflow_ops.operations.backup_lock import holding_backup
from ledgerflow_ops.operations.cleanup import leftover_sweep
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.files import files_verification
from ledgerflow_ops.operations.verification.examination import Examination

_REPLACE_HINT = Hint("Take the right file from another location, or take another backup: ", make("backup"))
_SHOWN = 20


@holding_backup("verify")
def verify(env: EnvironmentContext, name: BackupName) -> Examination:
    """Read every byte of a backup. The examination's rung is *readable* when everything holds.

    CannotJudge (5) when the bytes are not on this machine, or no tool here can read them.
    """
    with journal.recorded(env, "verify") as note:
        note["file"] = name.dump
        leftover_sweep.sweep_drills(env.ctx)
        examination = Examination(env, name.among(env.store.taken))
        with examination.translated_failures():
            verify_hashes(examination)
            examination.stage(Rung.READABLE, "integrity", "decode", _Stages(examination).readable)
        examination.record()
        note |= examination.journal_fields
    return examination


def verify_hashes(examination: Examination) -> None:
    """The first stages: the bytes on the disk are the committed ones, and the archive's table of contents has
    as many entries as was committed. No proof is written.

    The drill continues from here: a restore decodes every byte, and compares more than reading does.
    """
    examination.env.ctx.reporter.step(Step.VERIFY)
    stages = _Stages(examination)
    examination.stage(Rung.WRITTEN, "exists", "exists", stages.exists)
    examination.stage(Rung.WRITTEN, "sealed", "manifest", stages.manifest)
    examination.stage(Rung.HASHED, "integrity", "hash", stages.hashed)
    examination.stage(Rung.DECRYPTED, "integrity", "cipher", stages.decrypted)
    examination.stage(Rung.DECRYPTED, "integrity", "list", stages.listed)


def quick_checks(env: EnvironmentContext, name: BackupName) -> list[Check]:
    """The cheap checks of a backup: it exists, its size, who may read it, whether it is real data."""
    if (missing := _missing_check(env, name)) is not None:
        return [missing]
    manifest = _manifest_or_none(env, name)
    return [
        passed("exists", f"{name.dump} is in {env.store.location}."),
        sizes.check_size(
            env.store.size(name.dump) or 0,
            committed=manifest.dump.size if manifest else None,
            floor=env.settings.size_floor,
            rows=manifest.rows if manifest else None,
            history=recent_sizes(summaries.present_backups(env), manifest.recovery_point) if manifest else (),
        ),
        *(env.store.privacy(file) for file in (name.dump, name.files) if env.store.taken(file)),
        source_is_real(env, manifest),
    ]


def source_is_real(env: EnvironmentContext, manifest: Manifest | None) -> Check:
    """Whether this is a backup of real data. The sample database in prod is always a warning."""
    sample = manifest.sample if manifest else env.is_sample
    if not sample:
        return passed("source_is_real", "Taken from the environment's own database.")
    message = f"SAMPLE DATA: no URL is set for {env.environment}. These are not your books."
    hint = Hint(f"Set LEDGER_{env.environment.upper()}_DATABASE_URL, or database_url in ledgerflow.toml.")
    if env.environment == "prod":
        return warned("source_is_real", "sample", message, hint)
    return passed("source_is_real", message)


class _Stages:
    """The checks of each stage."""

    def __init__(self, examination: Examination) -> None:
        self.examination = examination
        self.env, self.name = examination.env, examination.name
        self.file = self.env.file(self.name.dump)

    def exists(self) -> Iterator[Check]:
        missing = _missing_check(self.env, self.name)
        if missing:
            yield missing
        elif other := self.env.store.irregular_kind(self.name.dump):
            yield failed(
                "exists", "exists", f"{self.name.dump} is {other}, not a regular file.", _REPLACE_HINT
            )
        else:
            yield passed("exists", f"{self.name.dump} is in {self.env.store.location}.")

    def manifest(self) -> Iterator[Check]:
        """The manifest is sound, and belongs to this file and this environment."""
        manifest = self.examination.manifest = catalog.read_manifest(self.env, self.name)
        claimed = naming.claimed_environment(self.name)
        if claimed not in (None, self.env.environment):
            message = f"{self.name.dump} is named for {claimed}, but is in {self.env.environment}'s folder."
            yield failed("sealed", "environment", message, _REPLACE_HINT)
        elif manifest is None:
            yield warned(
                "sealed",
                "no manifest",
                f"{self.name.dump} has no manifest: there is no hash and no seal to compare it with.",
                Hint("It may be a dump made by hand, or its manifest was lost. It cannot be proven equal."),
            )
        elif manifest.environment is not self.env.environment:
            message = f"The manifest is {manifest.environment}'s, not {self.env.environment}'s."
            yield failed("sealed", "environment", message, _REPLACE_HINT)
        elif manifest.dump.file != self.name.dump:
            message = f"The manifest commits {manifest.dump.file}, not {self.name.dump}: it was swapped."
            yield failed("sealed", "manifest", message, _REPLACE_HINT)

    def hashed(self) -> Iterator[Check]:
        """Dump, roles and archives of files are, byte for byte, the committed ones."""
        manifest = self.examination.manifest
        for facts in (manifest.dump, manifest.globals) if manifest else ():
            if facts and (difference := self._difference(facts)):
                yield failed("integrity", "hash", difference, _REPLACE_HINT)
                return
        if (
            manifest
            and manifest.files
            and (problem := files_verification.archive_problem(self.env, manifest.files))
        ):
            yield failed("integrity", "files", problem, _REPLACE_HINT)
            return
        if manifest:
            yield passed("integrity", "Every byte read: the SHA-256 is the committed one.")

    def decrypted(self) -> Iterator[Check]:
        """Every encrypted file decrypts to its authenticated end. KeyUnavailable without an identity."""
        manifest = self.examination.manifest
        archives = manifest.files.archives if manifest and manifest.files else ()
        needed = (manifest.dump, manifest.globals, *archives) if manifest else ()
        names = [facts.file for facts in needed if facts] or [self.name.dump]
        encrypted = [name for name in names if naming.is_encrypted(name)]
        for name in encrypted:
            self.env.file(name).read_through(self.env.ctx.reporter.moved)
        if encrypted:
            counted = count_of(len(encrypted), "file")
            yield passed("integrity", f"{counted} decrypted to the authenticated end.")

    def _difference(self, facts: FileFacts) -> str:
        if not self.env.store.taken(facts.file):
            return f"{facts.file} is gone."
        moved = self.env.ctx.reporter.moved
        size, sha256 = self.env.store.content(facts.file, lambda done: moved(done, facts.size))
        if size != facts.size:
            return f"{facts.file} has {size} bytes; {facts.size} were committed."
        if sha256 != facts.sha256:
            return f"{facts.file} has changed since it was committed: its SHA-256 differs."
        return ""

    def listed(self) -> Iterator[Check]:
        """The archive's magic bytes, and the length of its table of contents."""
        if self.file.head(len(MAGIC)) != MAGIC:
            raise BadBackup(f"{self.name.dump} is not an archive of pg_dump.", hint=_REPLACE_HINT)
        manifest = self.examination.manifest
        chosen, stall = choose_pg_restore(self.env, manifest), self.env.settings.limits.stall
        with _as_cannot_judge(), definitions_path(chosen, self.file, stall) as path:
            toc = archive.table_of_contents(chosen, path, stall)
        self.examination.entries, differences = toc.entries, list[Difference]()
        if manifest and toc.entries != manifest.toc.entries:
            sentence = f"{manifest.toc.entries} entries committed, {toc.entries} found"
            differences = [Difference("table of contents", sentence)]
        yield from difference_checks("sealed", differences)

    def readable(self) -> Iterator[Check]:
        """Every byte is decoded, and every table is as committed."""
        manifest = self.examination.manifest
        chosen = choose_pg_restore(self.env, manifest)
        stall = self.env.settings.limits.stall
        with _as_cannot_judge(), self.file.open() as opened:
            contents = archive.decode(chosen, opened, stall)
        rows = sum(table.rows for table in contents.tables.values())
        counted = [count_of(self.examination.entries, "entry", "entries")]
        counted += [count_of(len(contents.tables), "table"), count_of(rows, "row")]
        if manifest and manifest.files:
            counted.append(count_of(len(manifest.files.files), "file"))
        counts = ", ".join(counted)
        if manifest is None:
            yield passed("integrity", f"Every byte decoded: {counts}. There is no hash to compare with.")
            return
        differences = contents_equal(manifest.contents, contents) + rows_against_seal(manifest.seal, contents)
        if manifest.files:
            file_differences = files_verification.compare_archived_files(self.env, manifest.files)
            yield from difference_checks("integrity", file_differences, "the manifest")
        yield from difference_checks("sealed", differences)
        yield passed("integrity", f"Every byte read and decoded; SHA-256 as committed: {counts}.")
        if not differences:
            yield passed("sealed", f"Rows and contents as sealed ({manifest.seal.depth}): {counts}.")


def choose_pg_restore(env: EnvironmentContext, manifest: Manifest | None) -> Tools:
    """The oldest pg_restore that reads this backup, since a newer one knows less about an older server.

    For a dump without a manifest, the newest. CannotJudge when every one here, the bundled too, is too old.
    """
    candidates = [*env.ctx.tools(), *env.ctx.fetched_programs(), client_tools.bundled_tools()]
    if manifest is None:
        return max(candidates, key=lambda tools: tools.major)
    wanted = int(manifest.tool_version.split(".")[0])
    if able := [tools for tools in candidates if tools.major >= wanted]:
        return min(able, key=lambda tools: tools.major)
    raise CannotJudge(
        f"The backup was written by pg_dump {wanted}; every pg_restore here is older.",
        hint=client_tools.older_tools_hint(None, wanted),
    )


def difference_checks(name: str, differences: list[Difference], other: str = "the seal") -> Iterator[Check]:
    """One failed check that lists the differences; nothing when there are none."""
    if differences:
        listed = "\n".join(f"  {difference.sentence}" for difference in differences[:_SHOWN])
        more = f"\n  … and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
        message = f"{count_of(len(differences), 'difference')} from {other}:\n{listed}{more}"
        yield failed(name, differences[0].cause, message, _REPLACE_HINT)


def _missing_check(env: EnvironmentContext, name: BackupName) -> Check | None:
    """A failed check when the dump is missing; CannotJudge when a part of it is only in the cloud, and cannot
    be downloaded from there.
    """
    require_local(env, (name.dump, name.manifest, name.globals, name.files))
    if not env.store.taken(name.dump):
        return failed("exists", "exists", f"{name.dump} is gone from {env.store.location}.", _REPLACE_HINT)
    return None


def require_local(env: EnvironmentContext, files: Iterable[str]) -> None:
    """Download those files of a backup that only the cloud has; CannotJudge (5) where that is not possible,
    with the command to type."""
    for file in files:
        if not env.store.evicted(file):
            continue
        env.ctx.reporter.say(f"{file} is only in the cloud: it is downloaded where that is possible")
        if not cloud_download.download(env.store, file, env.settings.stall_seconds):
            raise CannotJudge(
                f"{file} is not local: its bytes are only in the cloud. It is neither lost nor judged.",
                hint=env.store.how_to_fetch(file),
            )


def _manifest_or_none(env: EnvironmentContext, name: BackupName) -> Manifest | None:
    try:
        return catalog.read_manifest(env, name)
    except BadBackup:
        return None


@contextmanager
def _as_cannot_judge() -> Iterator[None]:
    """Turn the failure of a tool that hangs or cannot be started into CannotJudge."""
    try:
        yield
    except (BadBackup, CannotJudge):
        raise
    except LedgerError as error:
        raise CannotJudge(f"The backup could not be read: {error.message}", hint=error.hint) from None
