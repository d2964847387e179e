"""Which key opens which backup: as their headers say when they are opened, and as their manifests say."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.counts import count_of

_NAMED = 3


class Opening(StrEnum):
    """Whether the identities at hand open a backup."""

    PLAIN = "plain"
    OPENS = "opens"
    OTHER_KEY = "other key"
    NO_IDENTITY = "no identity here"
    DAMAGED = "damaged"
    UNREAD = "not read"


_WORST_LAST = (
    Opening.PLAIN,
    Opening.OPENS,
    Opening.UNREAD,
    Opening.NO_IDENTITY,
    Opening.OTHER_KEY,
    Opening.DAMAGED,
)


@dataclass(frozen=True, slots=True)
class BackupKey:
    """A retained backup and whether it opens. `lacks` are recipients of today that cannot read it.

    `part` is the file that decides: a backup opens only if all its files do, also an archive of files that an
    earlier backup has made. `recipients` are those in its manifest.
    """

    file: str
    location: str
    opening: Opening
    lacks: tuple[str, ...] = ()
    part: str = ""
    recipients: tuple[str, ...] = ()

    @property
    def closed(self) -> bool:
        """Whether it is encrypted and was not opened."""
        return self.opening not in (Opening.PLAIN, Opening.OPENS)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def worst_opening(openings: Mapping[str, Opening]) -> tuple[str, Opening]:
    """The file of a backup that decides whether it opens, and its state; PLAIN without encrypted files."""
    return max(openings.items(), key=lambda pair: _WORST_LAST.index(pair[1]), default=("", Opening.PLAIN))


@dataclass(frozen=True, slots=True)
class KeyCoverage:
    """How many of the `encrypted` backups each key opens, by their manifests. No header is read.

    `present` has the recipients of the settings, `former` all others. `unopened` are the dumps that no
    present recipient opens.
    """

    encrypted: int
    present: Mapping[str, int]
    former: Mapping[str, int]
    unopened: tuple[str, ...]

    def __bool__(self) -> bool:
        """Whether there is anything to say: encrypted backups, or recipients."""
        return bool(self.encrypted or self.present)

    @property
    def sentence(self) -> str:
        """Which key opens how many backups, in one line."""
        keys = [(short_recipient(key), number) for key, number in self.present.items()]
        keys += [
            (f"{short_recipient(key)} (no recipient any more)", number) for key, number in self.former.items()
        ]
        of = count_of(self.encrypted, "encrypted backup")
        parts = [f"{key} opens {number}" for key, number in keys]
        return f"{of}: {', '.join(parts)}" if parts else of

    @property
    def warning(self) -> str:
        """Names the backups that no present recipient opens; empty where there is none."""
        if not self.unopened:
            return ""
        more = len(self.unopened) - _NAMED
        listed = ", ".join(self.unopened[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        return f"no present recipient opens {listed}"

    def as_json(self) -> dict[str, Any]:
        return {
            "encrypted": self.encrypted,
            "opened_by": {**self.present, **self.former},
            "former": list(self.former),
            "opened_by_no_recipient": list(self.unopened),
        }


def key_coverage(backups: Iterable[BackupSummary], recipients: Sequence[str]) -> KeyCoverage:
    """The coverage of these backups, where `recipients` are set now."""
    encrypted = [backup for backup in backups if backup.recipients]
    opened = Counter(recipient for backup in encrypted for recipient in backup.recipients)
    present = set(recipients)
    return KeyCoverage(
        encrypted=len(encrypted),
        present={recipient: opened[recipient] for recipient in recipients},
        former={recipient: number for recipient, number in opened.items() if recipient not in present},
        unopened=tuple(backup.name.dump for backup in encrypted if present.isdisjoint(backup.recipients)),
    )


def short_recipient(recipient: str) -> str:
    """A public key, short enough for a line: its beginning and end; of an SSH key its comment, if any."""
    words = recipient.split()
    if len(words) > 1:
        return words[2] if len(words) > 2 else f"{words[0]} …{words[1][-8:]}"
    return f"{recipient[:8]}…{recipient[-4:]}"
