"""Records in the history what an operation does to a backup. Each writer calls one of these.

What is about to be written is announced first, in the state folder: a process that dies between the file and
its entry leaves the announcement, and the next entry or audit completes it. Nobody who can only write into
the folder of the backups can announce anything. An operation never fails because its entry cannot be
written: that is reported, and the entry is made up for.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ledgerflow_ops.adapters.storage import line_log
from ledgerflow_ops.adapters.storage.store import BackupStore
from ledgerflow_ops.adapters.system import process_liveness, regular_files, signatures
from ledgerflow_ops.adapters.system.signatures import SigningKey
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import MANIFEST, BackupName
from ledgerflow_ops.core.catalog.proof import Proof, Verdict
from ledgerflow_ops.core.catalog.quarantine import FOLDER
from ledgerflow_ops.core.catalog.rungs import PROVEN
from ledgerflow_ops.core.errors import BadBackup, LedgerError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.history.chain import read_chain
from ledgerflow_ops.core.history.entry import Kind, Line, Statement, next_entry, trusted_comment
from ledgerflow_ops.core.history.holdings import states
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import history_files
from ledgerflow_ops.operations.history.own_history import own_holdings

_ENDING = ".announced.json"


def prepare() -> None:
    """Load what signing needs while the caller waits for PostgreSQL."""
    signatures.warm_up()


@contextmanager
def committing(env: EnvironmentContext, manifest: Manifest, kind: Kind = Kind.BACKUP) -> Iterator[None]:
    """Record the backup that the block commits by writing its manifest.

    The copy beside the backups follows with the next entry: the proof of the backup.
    """
    digest = _sha256(manifest.encode())
    yield from _around(
        env,
        Statement(kind=kind, file=manifest.dump.file, manifest=digest, dump=manifest.dump.sha256),
        copied=kind is not Kind.BACKUP,
    )


@contextmanager
def proving(env: EnvironmentContext, proof: Proof) -> Iterator[None]:
    """Record the proof that the block writes."""
    digest = _sha256(proof.encode())
    statement = Statement(kind=Kind.PROOF, file=proof.file, proof=digest, dump=proof.sha256)
    yield from _around(env, statement, copied=proof.rung >= PROVEN or proof.verdict is not Verdict.GOOD)


@contextmanager
def repairing(env: EnvironmentContext, source: BackupStore, name: BackupName) -> Iterator[None]:
    """Record the repair that the block ends: it brings manifest and proof from the copy in `source`."""
    proof = _file_sha256(source, name.proof) or file_sha256(env, name.proof)
    manifest = Manifest.decode(source.record(name.manifest), name.manifest)
    statement = Statement(
        kind=Kind.REPAIR,
        file=manifest.dump.file,
        manifest=_file_sha256(source, name.manifest),
        proof=proof,
        dump=manifest.dump.sha256,
    )
    begun = _is_primary(env) and _begin(env, statement)
    yield
    if begun:  # the copy may have had no proof, and ours may have been dropped
        _complete(env, statement.model_copy(update={"proof": file_sha256(env, name.proof)}))


def require_committed(env: EnvironmentContext, source: BackupStore, name: BackupName) -> None:
    """BadBackup if the history commits another manifest than the copy in `source` has: it was exchanged."""
    if not _is_primary(env) or not history_files.has_begun(env):
        return
    held = own_holdings(env).get(name.stem)
    manifest = _file_sha256(source, name.manifest)
    if held and manifest not in (held.manifest, *held.manifests):
        raise BadBackup(
            f"{source.describe(name.manifest)} is not the manifest of entry {held.n} of the history.",
            hint=Hint("Look for another copy of it; ", make("audit"), " says more."),
        )


def record_removal(env: EnvironmentContext, kind: Kind, file: str, why: str = "") -> None:
    """Record that a backup is going to be moved away (ROTATION, QUARANTINE), or was put back (UNDO)."""
    statement = Statement(kind=kind, file=file, why=why)
    if _begin(env, statement):
        _complete(env, statement)


def record_found(env: EnvironmentContext, manifest: Manifest) -> None:
    """Record the adoption of a backup that somebody has put into the folder, unless it is on record."""
    name = BackupName.of(manifest.dump.file)
    if not _is_primary(env) or not history_files.has_begun(env):
        return

    def work() -> None:
        statement = Statement(
            kind=Kind.ADOPTION,
            file=manifest.dump.file,
            manifest=file_sha256(env, name.manifest),
            proof=file_sha256(env, name.proof),
            dump=manifest.dump.sha256,
        )
        with history_files.locked(env):
            if not states(own_holdings(env), statement):
                _append(env, [_signed(env, statement)])

    _attempt(env, work)


def record_accepted(env: EnvironmentContext, statements: Sequence[Statement]) -> None:
    """Record what a person has accepted, and write the copies anew where they were changed. LedgerError if
    that is not possible."""
    with history_files.locked(env):
        _append(env, [_signed(env, statement) for statement in statements], by_force=True)
        key = history_files.signing_key(env.ctx)
        for store in history_files.archive_stores(env, env.ctx.reporter.say):
            if key and store.reachable() and store.writable():
                lines = history_files.own_lines(env, key)
                history_files.write_copy(env, key, lines, history_files.copy_in(env, store), by_force=True)


def complete_announced(env: EnvironmentContext) -> None:
    """Write the entries of operations that died before they could. Requires the history's lock."""
    for announced in _announced(env):
        if _was_done(env, announced.statement):
            _append(env, [announced.statement])
        elif announced.is_alive:
            continue
        announced.file.unlink(missing_ok=True)


def _around(env: EnvironmentContext, statement: Statement, *, copied: bool) -> Iterator[None]:
    """Announce, let the block work, record. A copy in another location has no entries of its own."""
    begun = _is_primary(env) and _begin(env, statement)
    yield
    if begun:
        _complete(env, statement, copied=copied)


def _is_primary(env: EnvironmentContext) -> bool:
    return env.location is None and env.archive is None


def _begin(env: EnvironmentContext, statement: Statement) -> bool:
    """Announce a statement; whether that was possible. The first one begins the history."""

    def work() -> None:
        history_files.key_file(env.ctx)
        with history_files.locked(env):
            if not history_files.has_begun(env):
                _append(env, [])
            complete_announced(env)  # a backup's entry comes before that of its proof
            _announce(env, _signed(env, statement))

    return _attempt(env, work)


def _complete(env: EnvironmentContext, statement: Statement, *, copied: bool = True) -> None:
    def work() -> None:
        with history_files.locked(env):
            file = _announced_file(env, statement)
            if file.exists():  # else another process has written the entry already
                _append(env, [_signed(env, statement)], copied=copied)
                file.unlink(missing_ok=True)

    _attempt(env, work)


def _attempt(env: EnvironmentContext, work: Callable[[], None]) -> bool:
    try:
        work()
    except (LedgerError, OSError) as error:
        message = error.message if isinstance(error, LedgerError) else str(error)
        env.ctx.reporter.say(f"not written to the history: {message}")
        return False
    return True


def _append(
    env: EnvironmentContext, statements: Iterable[Statement], *, copied: bool = True, by_force: bool = False
) -> None:
    """Sign and write entries, then the copy beside the backups. The first entries of all say what was there
    before. Requires the history's lock."""
    key = history_files.signing_key(env.ctx, create=True)
    assert key
    lines = history_files.own_lines(env, key) if by_force else current_lines(env, key)
    wanted = [*([] if lines else _first_statements(env, key)), *statements]
    added = list(_signed_lines(env, key, lines, wanted))
    if added:
        history_files.append_own(env, key, added)
    if not copied:
        return
    store = history_files.copy_in(env, env.store)
    fault = history_files.write_copy(env, key, [*lines, *added], store, by_force=by_force)
    if fault:
        env.ctx.reporter.say(f"the history beside the backups is not ours any more: {fault.message}")


def current_lines(env: EnvironmentContext, key: SigningKey) -> list[str]:
    """Our history; requires its lock.

    Where the state folder was put back to an earlier state, the copy beside the backups has entries that it
    lacks. They are signed by us, and are taken from there.
    """
    lines = history_files.own_lines(env, key)
    copy_store = history_files.copy_in(env, env.store)
    copy = history_files.copied_lines(copy_store, key.id) if copy_store.exists() else []
    if len(copy) <= len(lines) or copy[: len(lines)] != lines:
        return lines

    def verify(text: str, comment: str, signature: str) -> bool:
        return signatures.is_signed(key.public, text.encode(), comment, signature)

    genuine, _ = read_chain(copy, env.environment, verify)
    if len(genuine) > len(lines):
        history_files.append_own(env, key, copy[len(lines) : len(genuine)])
    return history_files.own_lines(env, key)


def _first_statements(env: EnvironmentContext, key: SigningKey) -> Iterator[Statement]:
    """The beginning of a history, and the backups that are there already, also those in quarantine: nobody
    signed them."""
    yield _signed(env, Statement(kind=Kind.BEGIN, why=f"public key {key.public}"))
    aside = env.store.section(FOLDER)
    for store in (env.store, aside):
        for file in store.names(MANIFEST) if store.exists() else ():
            with contextlib.suppress(BadBackup):
                earlier = _earlier(store, BackupName.of(file))
                yield _signed(env, earlier)
                if store is aside:
                    yield _signed(env, Statement(kind=Kind.QUARANTINE, file=earlier.file))


def _earlier(store: BackupStore, name: BackupName) -> Statement:
    manifest = Manifest.decode(store.record(name.manifest), name.manifest)
    return Statement(
        kind=Kind.EARLIER,
        file=manifest.dump.file,
        manifest=_file_sha256(store, name.manifest),
        proof=_file_sha256(store, name.proof),
        dump=manifest.dump.sha256,
    )


def _signed_lines(
    env: EnvironmentContext, key: SigningKey, lines: Sequence[str], statements: Iterable[Statement]
) -> Iterator[str]:
    last = Line.decode(lines[-1]) if lines else None
    for statement in statements:
        entry = next_entry(statement, last, env.environment, env.ctx.clock())
        text = entry.encode()
        comment = trusted_comment(env.environment, entry.n, _sha256(text.encode()))
        last = Line(text, key.sign(text.encode(), comment))
        yield last.encode()


def _signed(env: EnvironmentContext, statement: Statement) -> Statement:
    """The statement with who makes it, and why."""
    run = env.ctx.run
    return statement.model_copy(update={"who": run.who, "why": statement.why or run.why})


@dataclass(frozen=True, slots=True)
class _Announced:
    """A statement that a process was about to make true."""

    file: Path
    statement: Statement
    pid: int
    at: datetime

    @property
    def is_alive(self) -> bool:
        return process_liveness.is_alive(self.pid, self.at)


def _announce(env: EnvironmentContext, statement: Statement) -> None:
    file = _announced_file(env, statement)
    fields = {"pid": os.getpid(), "statement": statement.model_dump(mode="json")}
    with contextlib.suppress(FileNotFoundError):
        file.unlink()  # left by a process that died
    line_log.append_lines(file, [json.dumps(fields)])


def _announced(env: EnvironmentContext) -> list[_Announced]:
    return [one for file in sorted(history_files.home(env).glob(f"*{_ENDING}")) if (one := _read(file))]


def _read(file: Path) -> _Announced | None:
    try:
        fields: Any = regular_files.read_json(file)
        written = datetime.fromtimestamp(file.stat().st_mtime).astimezone()
        return _Announced(file, Statement.model_validate(fields["statement"]), int(fields["pid"]), written)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _announced_file(env: EnvironmentContext, statement: Statement) -> Path:
    stem = BackupName.of(statement.file).stem
    return history_files.home(env) / f"{stem}.{statement.kind}{_ENDING}"


def _was_done(env: EnvironmentContext, statement: Statement) -> bool:
    """Whether what was announced has come true. A removal is recorded before it begins, so it has."""
    name = BackupName.of(statement.file)
    stated = ((name.manifest, statement.manifest), (name.proof, statement.proof))
    return all(file_sha256(env, file) == digest for file, digest in stated if digest)


def file_sha256(env: EnvironmentContext, file: str) -> str:
    """SHA-256 of a file beside the backups; empty without one, or where its bytes are only in a cloud."""
    return _file_sha256(env.store, file)


def _file_sha256(store: BackupStore, file: str) -> str:
    return store.content(file)[1] if store.taken(file) and not store.evicted(file) else ""


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
