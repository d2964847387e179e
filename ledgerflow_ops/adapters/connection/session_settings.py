"""The settings of our sessions on which the text of values and the effect of scripts depend."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

_ENDLESS = {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
}
"""Timeouts that would end our sessions or statements. Every supported server knows these settings."""

_WRITING = {
    "default_transaction_read_only": "off",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
}
"""The properties of a transaction that does not set them itself."""

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
"""How statements and values are parsed and written: the same for dumping and for loading."""

CANONICAL = {
    "search_path": "",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "synchronize_seqscans": "off",
    "row_security": "off",
    "work_mem": "16384",  # kB: fewer temporary files, which a small temp_file_limit would forbid
    **_PARSING,
    **_WRITING,
    **_ENDLESS,
}
"""The settings under which the text of values is compared, in the source and in the restored copy."""

LOADING = {
    "default_tablespace": "",
    **_PARSING,
    **_WRITING,
    **_ENDLESS,
}
"""The settings for loading an archive. search_path is left out: the scripts of some extensions (PostGIS) rely
on the server's value. TimeZone and DateStyle are left out: CHECK constraints may rely on the database's
values."""


_NEWER = {
    "transaction_timeout": "0",
    "createrole_self_grant": "",
    "restrict_nonsystem_relation_kind": "",
    "icu_validation_level": "warning",
}
"""Settings that only some versions know: from 17, from 16, from 17 and late minor releases of others, from
16. Other servers refuse a session that sets one of these in its startup options."""

_PRIVILEGED = {
    "zero_damaged_pages": "off",
    "ignore_checksum_failure": "off",
    "ignore_invalid_pages": "off",
    "session_replication_role": "origin",
    "temp_file_limit": "-1",
    "lc_messages": "C",
    "role": "none",
}
"""Settings that only a superuser may set, and that we set if we are one. With zero_damaged_pages the server
would silently leave out rows. With another `role` we would not have a superuser's rights."""

LISTED = (*_NEWER, *_PRIVILEGED)
"""The settings that not every server knows or not every account may set."""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server has reported: which of the `LISTED` settings our account may set, and the encoding of the
    database (empty if not known)."""

    settable: frozenset[str]
    encoding: str


class Purpose(Enum):
    """The purpose of a session, which determines its settings."""

    READ = "read"
    LOAD = "load"

    def settings(self, facts: ServerFacts | None = None) -> dict[str, str]:
        """The settings of a session; without `facts` only those that every server accepts."""
        common = CANONICAL if self is Purpose.READ else LOADING
        if facts is None:
            return dict(common)
        optional = {
            name: value for name, value in {**_NEWER, **_PRIVILEGED}.items() if name in facts.settable
        }
        return {**common, **optional}


def format_options(settings: Mapping[str, str]) -> str:
    """The settings in the form of libpq's parameter `options`, in which a backslash escapes a space."""
    return " ".join(f"-c {name}={_escaped(value)}" for name, value in settings.items())


def join_options(parts: Iterable[str | None]) -> str:
    """Several values of `options` joined to one; the last value of a setting wins."""
    return " ".join(part for part in parts if part)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")
