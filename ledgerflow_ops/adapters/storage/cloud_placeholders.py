"""Files whose bytes are only in the cloud, as iCloud leaves them: by a placeholder, or by macOS's mark."""

import os

_DATALESS = 0x40000000
"""macOS: SF_DATALESS (sys/stat.h), the flag of a file whose contents are only in the cloud."""


def is_dataless(facts: os.stat_result) -> bool:
    """Whether a file's bytes are only in the cloud, as macOS marks it.

    A size without blocks is no such mark: elsewhere it is a file of holes, which a crash leaves of what was
    not written yet, or a file system that counts in its own way. Reading tells them apart.
    """
    return bool(getattr(facts, "st_flags", 0) & _DATALESS)


def is_placeholder(name: str) -> bool:
    """Whether iCloud has left this in the place of an evicted file."""
    return name.startswith(".") and name.endswith(".icloud")


def own_name(placeholder: str) -> str:
    """The evicted file's own name."""
    return placeholder.removeprefix(".").removesuffix(".icloud")
