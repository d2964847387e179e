"""Functions that fail when a load calls them."""

import re
from collections.abc import Iterable

from ledgerflow_ops.core.catalog.manifest import Seal
from ledgerflow_ops.core.loading.load_failure import Diagnosis, LoadFailure
from ledgerflow_ops.core.postgres.qualified_names import QualifiedName, quote

_MISSING = re.compile(
    r"(function|relation|type|operator|aggregate|procedure|text search \w+|schema|collation|operator class)"
    r" (.+?) does not exist"
)
_IN_PLPGSQL = re.compile(r"PL/\w+ function (.+\)) line \d+")
_IN_SQL = re.compile(
    r'SQL function "(.+?)" (?:during|statement)|compilation of PL/\w+ function "(.+?)"|function "(.+?)"'
)


def search_path_error(failure: LoadFailure) -> Diagnosis | None:
    """A function that relies on its caller's search_path: pg_restore sets an empty one."""
    missing = _MISSING.match(failure.message)
    if not missing:
        return None
    what = f"{missing[1]} {missing[2]}"
    function = failing_function(failure)
    if not function:
        return None
    known = list(_schemas_of(missing[2], failure.seal))
    schemas = dict.fromkeys([*known, "public"])
    path = ", ".join([*map(quote, schemas), "pg_temp"])
    used = f" It is used where {failure.table} is loaded." if failure.table else failure.failing_command
    signatures = [function] if "(" in function else _signatures(function, failure.seal)
    if _is_source_function(function, failure.seal):
        fix = " ".join(f"ALTER FUNCTION {signature} SET search_path = {path};" for signature in signatures)
    else:  # a dump does not contain changes to an extension's own objects
        fix = "An extension owns it: update that to a version which names schemas, or drop what uses it."
    return Diagnosis(
        "function",
        f"the function {function} names the {what} without its schema, and a load has an empty "
        f"search_path.{used}",
        fix,
        by_extension=not known,
    )


def failing_function(failure: LoadFailure) -> str:
    """The function that failed, with its argument types if they are known; empty if none is named."""
    context = failure.text.partition("CONTEXT:")[2]
    if called := _IN_PLPGSQL.search(context):
        if "." in called[1].partition("(")[0]:
            return called[1]
        name = called[1].partition("(")[0]
    elif called := _IN_SQL.search(context):
        name = next(name for name in called.groups() if name)
    else:
        return ""
    known = _signatures(name, failure.seal)
    return known[0] if len(known) == 1 else quote(name)


def _signatures(name: str, seal: Seal) -> list[str]:
    """The functions of this name, as ALTER FUNCTION takes them."""
    known = (key.removeprefix("routine ") for key in seal.objects if key.startswith("routine "))
    return [signature for signature in known if _bare(signature) == _unquoted(name)]


def _is_source_function(function: str, seal: Seal) -> bool:
    """Whether the function is the source's own. An extension's functions are not in the seal."""
    return bool(_signatures(_bare(function), seal))


def _bare(name: str) -> str:
    """The bare name in `schema.name(arguments)`."""
    try:
        return QualifiedName.parse(name).name
    except ValueError:
        return name


def _schemas_of(what: str, seal: Seal) -> Iterable[str]:
    """The schemas with an object of that name, given as in an error: `inner_f(text)`, `look`, `"My"`."""
    wanted = _unquoted(what.partition("(")[0].strip())
    for key in (*(f"table {name}" for name in seal.tables), *seal.objects):
        try:
            qualified = QualifiedName.parse(key.partition(" ")[2])
        except ValueError:
            continue
        if qualified.name == wanted:
            yield qualified.schema


def _unquoted(name: str) -> str:
    return name[1:-1] if name.startswith('"') and name.endswith('"') else name
