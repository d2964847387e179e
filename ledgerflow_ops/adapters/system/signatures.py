"""Signatures in minisign's format: Ed25519, by py-minisign. Debian's `minisign -V` checks them as well.

minisign takes 70 ms to import, so it is imported where it is used, and `warm_up` does it meanwhile.
"""

import base64
import os
import stat
import sys
import threading
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.core.errors import SettingsError
from ledgerflow_ops.core.hints import Hint, command

if TYPE_CHECKING:
    from minisign import PublicKey, SecretKey


_PUBLIC = 42
"""Bytes of a public key: algorithm (2), id (8), Ed25519 key (32)."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A secret key of ours, and what others know of it."""

    secret: "SecretKey"

    @property
    def public(self) -> str:
        """The public key in one word, as `minisign -P` takes it."""
        return str(self.secret.get_public_key().to_base64().decode())

    @property
    def id(self) -> str:
        """The key's id in minisign's messages: 16 hexadecimal digits."""
        return key_id(self.public)

    def sign(self, data: bytes, comment: str) -> str:
        """The text of a signature file for `data`; `comment` is signed with it."""
        untrusted = f"untrusted comment: signature of ledgerflow_ops, key {self.id}"
        made = self.secret.sign(data, untrusted_comment=untrusted, trusted_comment=comment)
        return bytes(made).decode() + "\n"


def warm_up() -> None:
    """Import minisign in the background, while the caller waits for something else."""
    if "minisign" not in sys.modules:
        threading.Thread(target=_import, name="import minisign", daemon=True).start()


def _import() -> None:
    import minisign  # noqa: F401


def load_key(file: Path) -> SigningKey | None:
    """The key in `file`; None without one. SettingsError if others may read it or it is not a key."""
    import minisign

    with translated(file):
        try:
            mode = file.stat().st_mode
        except FileNotFoundError:
            return None
        if mode & 0o077:
            raise SettingsError(
                f"The signing key {file} has mode {stat.S_IMODE(mode):04o}: others may have read it.",
                hint=Hint("Make it private: ", command("chmod", "600", file)),
            )
        try:
            return SigningKey(minisign.SecretKey.from_file(file))
        except (minisign.Error, ValueError, AssertionError):
            raise SettingsError(
                f"{file} is not a signing key.",
                hint=Hint("Restore it; or move it elsewhere: a new history begins then."),
            ) from None


def create_key(file: Path) -> SigningKey:
    """A new key, durably in `file`, with mode 0600. Its folder must exist and be private."""
    import minisign

    pair = minisign.KeyPair.generate()
    with translated(file):
        partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(bytes(pair.secret_key) + b"\n")
            out.flush()
            os.fsync(out.fileno())
        partial.replace(file)
    return SigningKey(pair.secret_key)


def key_id(public: str) -> str:
    """The id of a public key; SettingsError if it is none."""
    try:
        word = base64.b64decode(public, validate=True)
    except ValueError:
        word = b""
    if len(word) != _PUBLIC:
        raise _not_a_key(public)
    return word[2:10][::-1].hex().upper()  # little-endian, as minisign prints it


@lru_cache(maxsize=50_000)
def is_signed(public: str, data: bytes, comment: str, signature: str) -> bool:
    """Whether `signature` is that key's, over `data` and exactly this comment."""
    import minisign

    try:
        parsed = minisign.Signature.from_bytes(signature.encode())
        _public_key(public).verify(data, parsed)
    except (minisign.Error, ValueError):
        return False
    return bool(parsed.trusted_comment == comment)


@cache
def _public_key(public: str) -> "PublicKey":
    import minisign

    try:
        return minisign.PublicKey.from_base64(public)
    except (minisign.Error, ValueError, AssertionError):
        raise _not_a_key(public) from None


def _not_a_key(public: str) -> SettingsError:
    return SettingsError(
        f"{public!r} is not a public key of minisign.",
        hint=Hint("It is one word of 56 characters that begins with RW."),
    )
