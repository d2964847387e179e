"""The files of an environment's history: our own in the state folder, and its copies beside the backups.

In the state folder `history/signing.key` is the secret key and `history/ENV/KEYID.jsonl` the history: one
line for an entry, with its signature. Copies are in `chain/ENV` below backup_root and in `ENV/chain` in each
archive location, in pieces of 256 entries, each with a signature file for `minisign -V`. A copy is only ever
continued: one that differs from what we wrote is evidence and is left alone.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import filelock

from ledgerflow_ops.adapters.storage import line_log
from ledgerflow_ops.adapters.storage.local_store import LocalStore
from ledgerflow_ops.adapters.storage.store import BackupStore
from ledgerflow_ops.adapters.system import private_files, regular_files, signatures
from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.adapters.system.signatures import SigningKey
from ledgerflow_ops.config import resolved_path
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.history.chain import Fault, compare_copy
from ledgerflow_ops.core.history.entry import Entry, Line, trusted_comment
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext
from ledgerflow_ops.operations.locations import location_store

_COPIES = "chain"
"""The folder of the copies: below backup_root, and below an environment's folder in an archive location."""
PIECE = 256
"""Entries in a file of a copy: some 200 KB."""
_FOLDER, _KEY = "history", "signing.key"
_PIECE_FILE = re.compile(r"([0-9A-F]{16})\.(\d{6})\.jsonl")


def key_file(ctx: OperationContext) -> Path:
    """Where the signing key is. Refused if that is beside the backups or in an archive location: whoever can
    write there could then sign what they like."""
    file = ctx.settings.state_dir / _FOLDER / _KEY
    for root in (ctx.settings.backup_root, *ctx.settings.archive_folders):
        if resolved_path(file).is_relative_to(resolved_path(root)):
            raise Refused(
                f"The signing key would be {file}, in {root}, where the backups are: no history is written.",
                hint=Hint("Set state_dir to a folder outside of all locations of backups."),
            )
    return file


def signing_key(ctx: OperationContext, *, create: bool = False) -> SigningKey | None:
    """The key of this installation; None without one. `create` makes it, once for all environments."""
    file = key_file(ctx)
    key = signatures.load_key(file)
    if key is None and create:
        private_files.make_private_folder(ctx.settings.state_dir, _FOLDER)
        with _lock(file.with_suffix(".lock")):
            key = signatures.load_key(file) or signatures.create_key(file)
    return key


def home(env: EnvironmentContext) -> Path:
    """The private folder of an environment's history in the state folder; it is created."""
    return private_files.make_private_folder(env.ctx.settings.state_dir, _FOLDER, str(env.environment))


def copy_in(env: EnvironmentContext, store: BackupStore) -> BackupStore:
    """The store of the history's copy that belongs to one of the backups' stores. Beside the backups it lies
    below backup_root, so that their folder holds nothing but backups."""
    if store == env.store:
        return LocalStore(env.ctx.settings.backup_root / _COPIES / env.environment)
    return store.section(_COPIES)


def archive_stores(env: EnvironmentContext, note: Callable[[str], object]) -> Iterator[BackupStore]:
    """The environment's store in each archive location; `note` is told why one cannot be opened."""
    for location in env.ctx.settings.locations_of(env.environment):
        try:
            yield location_store(location, env.environment)
        except LedgerError as error:
            note(error.message)


def has_begun(env: EnvironmentContext) -> bool:
    """Whether this installation writes a history of the environment."""
    return any((env.ctx.settings.state_dir / _FOLDER / env.environment).glob("*.jsonl"))


@contextmanager
def locked(env: EnvironmentContext) -> Iterator[None]:
    """Hold the history's lock for the block. It is held for milliseconds; backups, drills and audits of one
    environment may want it at once."""
    with _lock(home(env) / "history.lock"):
        yield


@contextmanager
def anchoring(env: EnvironmentContext) -> Iterator[bool]:
    """Whether the block may write copies in archive locations: one process at a time does. Backups do not
    wait for it."""
    lock = _lock(home(env) / "anchors.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def own_lines(env: EnvironmentContext, key: SigningKey) -> list[str]:
    """The lines of our own history."""
    return line_log.read_lines(_own_file(env, key))


def append_own(env: EnvironmentContext, key: SigningKey, lines: Sequence[str]) -> None:
    """Continue our own history, durably. Requires its lock."""
    line_log.append_lines(_own_file(env, key), lines)


def copied_keys(store: BackupStore) -> list[str]:
    """The ids of the keys whose histories have a copy in a section of a location."""
    pieces = filter(None, map(_PIECE_FILE.fullmatch, store.names(".jsonl")))
    return sorted({piece[1] for piece in pieces})


def copied_lines(store: BackupStore, key_id: str) -> list[str]:
    """The lines of a key's history as a location has them."""
    pieces = [name for name in store.names(".jsonl") if name.startswith(f"{key_id}.")]
    text = b"".join(store.read(name) for name in pieces if _PIECE_FILE.fullmatch(name))
    lines = text.decode("utf-8", "replace").split("\n")
    return lines[:-1] if not lines[-1] else lines


def written_to(env: EnvironmentContext, store: BackupStore) -> int:
    """How many entries of our history we know to have written into a section of a location."""
    try:
        return int(regular_files.read_json(_written_file(env, store))["entries"])
    except (OSError, ValueError, TypeError, KeyError):
        return 0


def write_copy(
    env: EnvironmentContext,
    key: SigningKey,
    lines: Sequence[str],
    store: BackupStore,
    *,
    by_force: bool = False,
) -> Fault | None:
    """Bring a location's copy up to date; what contradicts our history where it was changed there.

    Such a copy stays as it is, unless a person has accepted what was found (`by_force`). LedgerError if the
    location cannot be reached or written.
    """
    known = written_to(env, store)
    copy = copied_lines(store, key.id) if store.exists() else []
    fault = compare_copy(lines, copy, known, store.location)
    if fault and not by_force:
        return fault
    if len(copy) == len(lines) == known and not fault:
        return None
    store.prepare()
    first = 0 if fault else min(known, len(copy)) // PIECE * PIECE
    for start in range(first, len(lines), PIECE):
        _write_piece(env, key, store, start, lines[start : start + PIECE])
    _remember(env, store, len(lines))
    return None


def _write_piece(
    env: EnvironmentContext, key: SigningKey, store: BackupStore, start: int, lines: Sequence[str]
) -> None:
    """Write one file of a copy, then its signature. A crash between the two leaves the signature of fewer
    entries; the next write renews it."""
    name = f"{key.id}.{start + 1:06d}.jsonl"
    data = "".join(f"{line}\n" for line in lines).encode()
    last = Line.decode(lines[-1])
    comment = trusted_comment(env.environment, Entry.decode(last.text).n, last.digest)
    store.replace(name, data)
    store.replace(f"{name}.minisig", key.sign(data, comment).encode())


def set_aside(env: EnvironmentContext) -> None:
    """Move a history that is damaged aside, with a name that says when: a new one begins."""
    now = env.ctx.clock()
    with locked(env), translated(home(env)):
        for file in home(env).glob("*.jsonl"):
            file.rename(file.with_name(f"{file.name}.damaged-{now:%Y%m%dT%H%M%S%f}"))


def _remember(env: EnvironmentContext, store: BackupStore, n: int) -> None:
    file = _written_file(env, store)
    with translated(file):
        private_files.write_private(file, json.dumps({"location": store.location, "entries": n}))


def _written_file(env: EnvironmentContext, store: BackupStore) -> Path:
    """What we have written to a location. Each has its own file, so that none waits for another."""
    return home(env) / f"{hashlib.sha256(store.location.encode()).hexdigest()[:16]}.written.json"


def _own_file(env: EnvironmentContext, key: SigningKey) -> Path:
    return home(env) / f"{key.id}.jsonl"


def _lock(file: Path) -> filelock.FileLock:
    return filelock.FileLock(file, mode=0o600)
