"""Evicted files, whose bytes are only in iCloud: shown by a placeholder file, or by a flag of macOS."""

import os

_DATALESS = 0x40000000
"""SF_DATALESS of macOS (sys/stat.h): the contents of the file are only in the cloud."""


def is_dataless(facts: os.stat_result) -> bool:
    """Whether macOS has flagged a file as one whose bytes are only in the cloud.

    A size without allocated blocks does not show that: a crash may leave a sparse file, and some file
    systems count blocks in their own way. Only reading the file distinguishes these cases.
    """
    return bool(getattr(facts, "st_flags", 0) & _DATALESS)


def is_placeholder(name: str) -> bool:
    """Whether this is the name of a placeholder that iCloud leaves for an evicted file."""
    return name.startswith(".") and name.endswith(".icloud")


def own_name(placeholder: str) -> str:
    """The evicted file's own name: `x.dump` for `.x.dump.icloud`."""
    return placeholder.removeprefix(".").removesuffix(".icloud")
