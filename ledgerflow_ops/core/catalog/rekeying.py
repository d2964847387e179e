"""Encrypting backups anew for other recipients: the names of the new files, and where they come from.

The new backup has a name of its own (decision 49): old and new are both whole while one takes the other's
place.
"""

import hashlib
import re
from collections.abc import Sequence

from pydantic import AwareDatetime

from ledgerflow_ops.core.catalog.naming import ARCHIVES, DUMPS, BackupName
from ledgerflow_ops.core.models import Record

_MARK = re.compile(r"_k[0-9a-f]{8}$")


class RekeyOrigin(Record):
    """The backup whose plain bytes a manifest's backup holds, encrypted anew: its dump's name and SHA-256 as
    stored, and the digest of its manifest. `at` is when that was shown. Earlier manifests have none."""

    file: str
    sha256: str
    manifest_digest: str
    at: AwareDatetime


def rekeyed_name(name: BackupName, recipients: Sequence[str]) -> BackupName:
    """The name of a backup that is encrypted anew: it ends with a mark of its recipients, in any order."""
    mark = hashlib.sha256("\n".join(sorted(recipients)).encode()).hexdigest()[:8]
    return BackupName(f"{_MARK.sub('', name.stem)}_k{mark}", encrypted=True)


def rekeyed_file(file: str, recipients: Sequence[str]) -> str:
    """The name of a backup's data file after it is encrypted anew."""
    name = rekeyed_name(BackupName.of(file), recipients)
    if file.endswith(ARCHIVES):
        return name.files
    return name.dump if file.endswith(DUMPS) else name.globals


def is_for(file: str, recipients: Sequence[str]) -> bool:
    """Whether a file's name says that it was encrypted anew for these recipients."""
    return rekeyed_file(file, recipients) == file
