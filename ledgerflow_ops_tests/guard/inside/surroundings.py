"""The containers that the tables of cases refer to, and how they read a command line."""

import shlex
from dataclasses import replace

from ledgerflow_ops.guard.effects import DataEffect, Surroundings
from ledgerflow_ops.guard.inside.programs import effect

DATABASE = Surroundings(("/var/lib/postgresql/data",), terminal=False, input=False)
APPLICATION = Surroundings((), terminal=False, input=False, workdir="/app")


def typed(around: Surroundings) -> Surroundings:
    return replace(around, terminal=True)


def fed(around: Surroundings) -> Surroundings:
    return replace(around, input=True)


def judged(line: str, around: Surroundings) -> DataEffect:
    """What a command line does, written as in a shell."""
    return effect(tuple(shlex.split(line)), around)


def of_shell(text: str, around: Surroundings) -> DataEffect:
    """What a shell that is given `text` does."""
    return effect(("sh", "-c", text), around)
