"""What SQL text and psql could do to the data: a table of what is known to destroy, and what only reads.

Everything else is uncertain, so that the reading stays short: text that is not understood is insured by a
backup, not refused. Comments, strings and quoted names are masked before the words are looked at.
"""

import re
from collections.abc import Iterator, Sequence
from getopt import GetoptError, gnu_getopt

from ledgerflow_ops.guard.effects import (
    DataEffect,
    Surroundings,
    destroys,
    names,
    reads,
    uncertain,
    worst,
)
from ledgerflow_ops.guard.host_paths import is_away

_MASKED = re.compile(
    r"--[^\n]*|/\*(?:(?!/\*).)*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\1\$", re.DOTALL
)
_LOSSES = (
    (re.compile(r"drop (?!(?:not null|default|constraint|identity|expression)\b)(.+)"), "drops {}"),
    (re.compile(r"truncate (.+)"), "empties {}"),
    (re.compile(r"delete from (?!.*\bwhere\b)(.+)"), "deletes every row of {}"),
    (re.compile(r"(?<!for )(?<!do )update (?!.*\bwhere\b)(.+) set "), "overwrites every row of {}"),
)
"""Known losses, searched in each statement, also behind WITH and EXPLAIN ANALYZE."""
_STARTS = re.compile(r"(?:^|[(;]|\) |\bas(?: not)?(?: materialized)? \(|\banalyze |\bthen |, ?|^alter .* )$")
_READING = re.compile(
    r"(?:select|with|values|table|begin|commit|rollback|end|abort|start|savepoint|release|fetch|close|listen|reset)\b"
)
_SETTINGS = re.compile(
    r"set (?:session |local )?(?:time zone"
    r"|(?:statement_timeout|lock_timeout|search_path|work_mem|datestyle)(?: to| ?=)) .*"
)
_LOCKING = re.compile(r"\bfor (?:no key )?update\b")
_EXPLAINED = re.compile(r"^explain (?:\([^()]*\) ?)?(?:(?:analy[sz]e|verbose) )*")
_WRITING = re.compile(
    r"\b(?:insert|update|delete|merge|into|create|alter|drop|truncate|execute|call|do|lock|copy|set|analyze"
    r"|prepared|program)\b"
)
_CALL = re.compile(r"([a-z_][\w$]*)\s*\(")
_QUERIES = re.compile(
    r"copy (?:\w[\w.]*(?: \([\w, ]*\))?|\(select [^()]*(?:\([^()]*\)[^()]*)*\)) to stdout\b"
)
_EXPLAINS = re.compile(r"explain (?!.*\banaly[sz]e\b)(?!\([^)]*_ )")
NO_CALLS = names(
    """
    in copy materialized sets overlay
    values exists any all some over filter and or not as on using select from where by row array
    case when then else having limit union except distinct between is group order lateral join with
    within recursive numeric decimal varchar char timestamp timestamptz time interval float cast
    extract coalesce nullif greatest least position substring trim bernoulli system
    """
)
HARMLESS = NO_CALLS | names(
    """
    count sum avg min max array_agg string_agg json_agg jsonb_agg row_number rank lag lead now age
    date_part date_trunc to_timestamp to_date to_char version current_setting current_database
    pg_backend_pid pg_is_in_recovery pg_size_pretty pg_database_size pg_relation_size pg_table_size
    pg_indexes_size pg_total_relation_size pg_get_viewdef pg_get_indexdef pg_typeof to_regclass
    pg_current_wal_lsn pg_sleep length lower upper replace split_part left right concat format md5
    regexp_replace abs ceil floor round mod random unnest generate_series to_json to_jsonb
    json_build_object jsonb_build_object
    """
)
"""Words and functions before a parenthesis that change nothing. A name in quotes or of another schema is not
looked up."""


def of_sql(text: str) -> DataEffect:
    """What `text`, sent to the server as it is, could do at worst. Never raises."""
    masked = _MASKED.sub(lambda found: " " if found[0][:2] in ("--", "/*") else " _ ", text)
    masked = re.sub(r"\s+", " ", masked).lower().strip()
    statements = [part.strip() for part in masked.split(";")]
    escaped = "\\'" in text  # by a setting of the server the quote ends here or not
    losses = [destroys(why) for part in statements if not escaped and (why := _loss(part))]
    if losses:
        return losses[0]
    if re.search(r"[\\'\"$:]|/\*", masked.replace("::", "")) or "\\" in text:
        return uncertain("runs SQL that cannot be read for certain")
    return worst(map(_statement, filter(None, statements)), "does nothing")


def _loss(statement: str) -> str:
    """The known loss in a statement, in words; empty if there is none."""
    for pattern, words in () if _EXPLAINS.match(statement) else _LOSSES:
        for found in pattern.finditer(statement):
            if _STARTS.search(statement[: found.start()]):
                return words.format(found[1].strip()[:60])
    return ""


def _statement(statement: str) -> DataEffect:
    first = statement.split(" ")[0]
    if first == "show" or _EXPLAINS.match(statement):
        return reads("explains or shows without running")
    inner = _EXPLAINED.sub("", statement)
    plain = _READING.match(inner.lstrip("( ")) and not _WRITING.search(_LOCKING.sub("", inner))
    if plain or _QUERIES.match(inner) or _SETTINGS.fullmatch(inner):
        return _calling(inner)
    return uncertain(f"runs {first.upper()[:20]}, which may change data")


def _calling(statement: str) -> DataEffect:
    unknown = [name for name in _CALL.findall(statement) if name not in HARMLESS]
    if re.search(r"_ ?\(|\. ?\w+ ?\(", statement) or unknown:
        return uncertain(f"calls {unknown[0] if unknown else 'a function'}, whose body is unknown")
    return reads("only reads")


_SHORT = "aAbc:d:eEf:F:h:HlL:no:p:P:qR:sStT:U:v:VwWxXz01?"
_LONG = """
    echo-all no-align echo-errors command= csv dbname= echo-queries echo-hidden file= field-separator=
    host= html list log-file= no-readline output= port= pset= quiet record-separator= single-step
    single-line tuples-only table-attr= username= set= variable= version no-password password expanded
    no-psqlrc field-separator-zero record-separator-zero single-transaction help
"""
_SAME = {
    "-c": "--command", "-f": "--file", "-o": "--output", "-L": "--log-file", "-v": "--set", "-d": "--dbname",
    "--variable": "--set", "-l": "--list", "-V": "--version", "-?": "--help",
}  # fmt: skip
_SHOWS = re.compile(
    r"\\(?:d[A-Za-z]*[S+]*|l\+?|z|s[fv]\+?|conninfo|timing|x|encoding|copyright|h|\?|q)(?: [\w.* ]*)?"
)
_PLAIN_SET = re.compile(r"(?:ON_ERROR_STOP|VERBOSITY|QUIET|ECHO|FETCH_COUNT)(?:=\w*)?")


def psql(args: Sequence[str], around: Surroundings) -> DataEffect:
    """What psql with `args` could do at worst."""
    try:
        options, operands = gnu_getopt(list(args), _SHORT, _LONG.split())
    except GetoptError as error:
        return uncertain(f"psql would get arguments that cannot be read: {error.msg}")
    given = [(_SAME.get(name, name), value) for name, value in options]
    return worst(_parts(given, operands, around), "reads the list of databases")


def _parts(given: list[tuple[str, str]], operands: list[str], around: Surroundings) -> Iterator[DataEffect]:
    for name, value in given:
        if name == "--command":
            yield command(value)
        elif name == "--file":
            yield uncertain(f"runs what is in {value}")
        elif name in ("--output", "--log-file") and not is_away(value, around):
            yield uncertain(f"writes {value}")
        elif name == "--set" and not _PLAIN_SET.fullmatch(value):
            yield uncertain("sets a variable of psql, which can stand for SQL")
    for text in (*operands, *(value for name, value in given if name == "--dbname")):
        if re.search(r"option|service|%", text) and re.search(r"=|://", text):
            yield uncertain("connects with options that are not read here")
    if not {"--command", "--file", "--list", "--version", "--help"} & {name for name, _ in given}:
        yield around.opening("psql")


def command(text: str) -> DataEffect:
    """What one -c could do: SQL for the server, or a single backslash command."""
    if not text.lstrip().startswith("\\"):
        return of_sql(text)
    shows = _SHOWS.fullmatch(text.strip())
    return (reads if shows else uncertain)(f"runs psql's {text.split()[0]}")
