"""Why pg_restore could not load an archive: this machine lacks something, or no server can load the source.

By the time this module is asked, the archive is known to be what pg_dump wrote, and its content to equal the
source's. A statement that one server then refuses, every server refuses.
"""

import re
from collections.abc import Callable

from ledgerflow_ops.core.catalog.manifest import Seal
from ledgerflow_ops.core.loading import machine_errors
from ledgerflow_ops.core.loading.constraint_errors import CONSTRAINTS
from ledgerflow_ops.core.loading.function_errors import failing_function, search_path_error
from ledgerflow_ops.core.loading.load_failure import SQL_NAME, Diagnosis, LoadFailure, first_error
from ledgerflow_ops.core.postgres.qualified_names import quote

_VIEW = re.compile(rf"Command was: REFRESH MATERIALIZED VIEW ({SQL_NAME});")
_CREATED = re.compile(
    r"Command was: CREATE (FUNCTION|PROCEDURE|AGGREGATE|TABLE|VIEW|SEQUENCE|TYPE|DOMAIN) "
    rf"({SQL_NAME}(?:\([^()]*\))?)"
)


def is_machine_error(errors: str) -> bool:
    """Whether the cause lies in this machine, so that the failed load says nothing about the backup."""
    command = errors.partition("Command was: ")[2]  # the first command belongs to the first error
    return machine_errors.is_machine_trouble(first_error(errors), command)


def diagnose(errors: str, seal: Seal) -> Diagnosis | None:
    """What in the source prevents loading its archives; None if the server refused no statement."""
    if is_machine_error(errors):
        return None
    failure = LoadFailure.first_in(errors, seal)
    if failure is None:
        return None
    return next(filter(None, (recognise(failure) for recognise in _KINDS)), None) or _unknown(failure)


def _view(failure: LoadFailure) -> Diagnosis | None:
    refresh = _VIEW.search(failure.text)
    if not refresh:
        return None
    return Diagnosis(
        "materialized view",
        f"the materialized view {refresh[1]} cannot be filled: {failure.message}",
        f"In the source this fails too: SET search_path = ''; REFRESH MATERIALIZED VIEW {refresh[1]}; "
        "Give its owner the rights, or correct what it calls, or drop it.",
    )


def _created_twice(failure: LoadFailure) -> Diagnosis | None:
    """An object dropped from an extension (ALTER EXTENSION … DROP): dump and extension both create it."""
    created = _CREATED.search(failure.text)
    if not (created and failure.seal.extensions and " already exists" in failure.message):
        return None
    what = f"{created[1]} {created[2]}"
    first, *others = map(quote, sorted(failure.seal.extensions))
    alternatives = f" (or whichever of these creates it: {', '.join(others)})" if others else ""
    return Diagnosis(
        "made twice",
        f"{what} is created by an extension and by the dump: it was removed from the extension",
        f"ALTER EXTENSION {first} ADD {what};{alternatives}",
        by_extension=True,
    )


def _unknown(failure: LoadFailure) -> Diagnosis:
    used = f" while {failure.table} is loaded" if failure.table else failure.failing_command
    function = failing_function(failure)
    by = f" (in the function {function})" if function else ""
    return Diagnosis(
        "statement",
        f"the server refuses it{used}: {failure.message}{by}",
        "Correct in the source what the error names; pg_dump and psql into an empty database show it too.",
        by_order=bool(failure.table and function),
        by_extension=True,
    )


_KINDS: tuple[Callable[[LoadFailure], Diagnosis | None], ...] = (
    search_path_error,
    _view,
    *CONSTRAINTS,
    _created_twice,
)
