"""The settings of our own sessions: what would change the text of values, what a script does, or its end."""

from collections.abc import Iterable, Mapping
from enum import Enum

_ENDLESS = {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
}
"""What would end a session or a statement of ours: every server that is backed up knows these."""

_WRITING = {
    "default_transaction_read_only": "off",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
}
"""What a transaction is when it does not say so itself."""

_PARSING = {
    "standard_conforming_strings": "on",
    "backslash_quote": "safe_encoding",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "xmloption": "content",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "IntervalStyle": "postgres",
    "client_min_messages": "warning",
    "exit_on_error": "off",
    "quote_all_identifiers": "off",
}
"""How statements and values are read and written: the same for who dumps and for who loads."""

CANONICAL = {
    "search_path": "",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "synchronize_seqscans": "off",
    "row_security": "off",
    **_PARSING,
    **_WRITING,
    **_ENDLESS,
}
"""The settings under which the text of values is compared, in the source and in the copy."""

LOADING = {
    "default_tablespace": "",
    **_PARSING,
    **_WRITING,
    **_ENDLESS,
}
"""The settings of who loads an archive. No search_path: the scripts of some extensions (PostGIS) rely on the
server's own. No TimeZone and no DateStyle: CHECK constraints may rely on the database's."""


class Purpose(Enum):
    """What a session of libpq's tools is for: each has its own settings."""

    READ = "read"
    LOAD = "load"

    @property
    def settings(self) -> Mapping[str, str]:
        return CANONICAL if self is Purpose.READ else LOADING


def options(settings: Mapping[str, str]) -> str:
    """The settings in the form of libpq's `options`, where a space within a value needs a backslash."""
    return " ".join(f"-c {name}={_escaped(value)}" for name, value in settings.items())


def joined(parts: Iterable[str | None]) -> str:
    """Several values of `options` as one; the later ones win."""
    return " ".join(part for part in parts if part)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")
