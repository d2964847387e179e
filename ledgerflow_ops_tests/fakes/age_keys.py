"""Keys for tests of encrypted backups, and Debian's own `age`."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledgerflow_ops.adapters.storage import age_keys
from ledgerflow_ops_tests import needs


@dataclass(frozen=True)
class Key:
    """An identity in a private file, and its recipient."""

    file: Path
    identity: str
    recipient: str

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings of an environment that encrypts for this key and can read."""
        return {"recipients": [self.recipient], "identity_file": self.file}


def new_key(file: Path) -> Key:
    """A new key, whose identity is in `file` with mode 0600."""
    identity, recipient = age_keys.new_identity()
    file.write_text(f"# of a test\n{identity}\n")
    file.chmod(0o600)
    return Key(file, identity, recipient)


def opened_by_age(file: Path, key: Key) -> bytes:
    """The plain bytes of a file, decrypted by Debian's program."""
    command: list[str | Path] = [needs.program("age"), "--decrypt", "--identity", str(key.file), str(file)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
