"""The recipients of encrypted backups: public keys of age, as text, checked without opening anything."""

import base64
import binascii
import re

_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_SECRET = re.compile(r"AGE-(SECRET-KEY|PLUGIN)-|PRIVATE KEY", re.IGNORECASE)
_X25519_LENGTH = 62
_FORM = "write it as age1…, or as a public SSH key (ssh-ed25519 …, ssh-rsa …)"


def check_recipient(text: str) -> str:
    """The recipient without blanks around it; ValueError that says what is wrong with it.

    The message never repeats a private key that was written in place of the public one.
    """
    recipient = text.strip()
    if _SECRET.search(recipient):
        raise ValueError("this is an identity, a private key; write its recipient, the public key (age1…)")
    if recipient.startswith("age1"):
        if len(recipient) == _X25519_LENGTH and _has_checksum(recipient):
            return recipient
        raise ValueError(f"{recipient!r} is mistyped: its checksum does not match; copy it again")
    if recipient.startswith(("ssh-ed25519 ", "ssh-rsa ")):
        if _is_ssh_key(recipient):
            return recipient
        raise ValueError("the SSH key is mistyped or cut; copy the line of the .pub file again")
    raise ValueError(f"{recipient[:80]!r} is no recipient; {_FORM}")


def parse_recipients(text: str) -> tuple[str, ...]:
    """The recipients of a file: one a line; empty lines and lines that begin with # do not count."""
    lines = (line.strip() for line in text.splitlines())
    return tuple(check_recipient(line) for line in lines if line and not line.startswith("#"))


def _has_checksum(text: str) -> bool:
    """Whether a text of Bech32 (BIP 173) with the prefix `age` has its checksum."""
    prefix, _, data = text.rpartition("1")
    if prefix != "age" or not all(character in _BECH32 for character in data):
        return False
    values = [ord(character) >> 5 for character in prefix] + [0] + [ord(letter) & 31 for letter in prefix]
    values += [_BECH32.index(character) for character in data]
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(_GENERATORS):
            checksum ^= generator if top >> place & 1 else 0
    return checksum == 1


def _is_ssh_key(line: str) -> bool:
    """Whether the second word holds a key of the kind that the first word names (RFC 4253, 6.6)."""
    kind, data = line.split()[:2]
    try:
        key = base64.b64decode(data, validate=True)
    except binascii.Error:
        return False
    parts = []
    while key:
        length = int.from_bytes(key[:4], "big")
        parts.append(key[4 : 4 + length])
        if len(key) < 4 + length:
            return False
        key = key[4 + length :]
    return parts[:1] == [kind.encode()] and len(parts) == (2 if kind == "ssh-ed25519" else 3)
