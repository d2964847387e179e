"""The settings of our own sessions: what would change the text of values, what a script does, or its end."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
    "gin_fuzzy_search_limit": "0",
    "tcp_user_timeout": "0",
    "local_preload_libraries": "",
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
    "work_mem": "16384",  # kB: a small temp_file_limit must not end what we ask
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


_NEWER = {
    "transaction_timeout": "0",
    "createrole_self_grant": "",
    "restrict_nonsystem_relation_kind": "",
    "icu_validation_level": "warning",
}
"""What only some servers know: 17, 16, 17 and late minor releases of others, 16. The others refuse a session
that names one of these when it begins."""

_PRIVILEGED = {
    "zero_damaged_pages": "off",
    "ignore_checksum_failure": "off",
    "ignore_invalid_pages": "off",
    "session_replication_role": "origin",
    "temp_file_limit": "-1",
    "lc_messages": "C",
    "role": "none",
}
"""What only a superuser may set, and is for us to set where we are one. With zero_damaged_pages the server
would leave out rows without a word. As another role we could do less than a superuser can."""

LISTED = (*_NEWER, *_PRIVILEGED)
"""The settings that not every server knows, or not every account may set."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a server has said of itself: which of the `LISTED` our account may set there, and how it encodes
    the text of the database; empty where that is not known."""

    settable: frozenset[str]
    encoding: str


class Purpose(Enum):
    """What a session is for: each has its own settings."""

    READ = "read"
    LOAD = "load"

    def settings(self, known: Known | None = None) -> dict[str, str]:
        """The settings that a session begins with; of a server that is not known yet, what all take."""
        common = CANONICAL if self is Purpose.READ else LOADING
        if known is None:
            return dict(common)
        more = {name: value for name, value in {**_NEWER, **_PRIVILEGED}.items() if name in known.settable}
        return {**common, **more}


def options(settings: Mapping[str, str]) -> str:
    """The settings in the form of libpq's `options`, where a space within a value needs a backslash."""
    return " ".join(f"-c {name}={_escaped(value)}" for name, value in settings.items())


def joined(parts: Iterable[str | None]) -> str:
    """Several values of `options` as one; the later ones win."""
    return " ".join(part for part in parts if part)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")
