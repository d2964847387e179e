"""The address of a database in libpq's two forms: a URI, and keywords with values.

Source of the rules: conninfo_uri_parse_options, conninfo_uri_decode and conninfo_parse in PostgreSQL 17's
fe-connect.c, and the section "Connection Strings" of its manual (34.1.1). An error names the part that is
wrong, but never shows its text, which may be a secret.
"""

import re
from collections.abc import Mapping

SCHEMES = ("postgresql://", "postgres://", "postgresql+psycopg2://")
SERVICE_VARIABLES = ("PGSERVICEFILE", "PGSYSCONFDIR")
"""The variables of a shell that say where connection services are defined."""
_URI = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_QUOTED, _BARE = r"'((?:\\.|[^'\\])*)'", r"((?:\\.|[^\s\\'])(?:\\.|[^\s\\])*|)"
_PAIR = re.compile(rf"\s*([^\s=]+)\s*=\s*(?:{_QUOTED}|{_BARE})(?=\s|\Z)", re.DOTALL)
_HOST = re.compile(r"(\[[^\]]*\]|[^:/?,\[\]]*)(?::([^/?,]*))?")
_BYTE = re.compile(rb"%([0-9A-Fa-f]{2})")
_SLASHES = re.compile(r"\\(.)", re.DOTALL)


class InvalidAddress(ValueError):
    """The text is not an address; the message names the part that is wrong."""


def parse_address(text: str) -> dict[str, str]:
    """The parameters that an address names, by libpq's keywords; InvalidAddress if it is not one.

    Keywords are not checked, since other versions of libpq know others; nothing is filled in.
    """
    if "\0" in text:
        raise InvalidAddress("it holds a zero byte")
    if scheme := next((scheme for scheme in SCHEMES if text.startswith(scheme)), None):
        return _uri(text.removeprefix(scheme))
    if _URI.match(text) or "=" not in text:
        raise InvalidAddress("it begins with no scheme of PostgreSQL and is no list of keywords and values")
    return _pairs(text)


def check_ports(parameters: Mapping[str, str]) -> None:
    """InvalidAddress unless every port is one, and there are as many as hosts, or one, or none."""
    listed = parameters.get("port", "").split(",")
    for port in listed:
        if port and not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
            raise InvalidAddress("a port is not a number from 1 to 65535")
    hosts = (parameters.get("hostaddr") or parameters.get("host") or "").split(",")
    if len(listed) not in (1, len(hosts)):
        raise InvalidAddress("there are not as many ports as hosts")


def _uri(rest: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    place, _, query = rest.partition("?")
    before, at, after = place.partition("@")
    if at and "/" not in before:
        user, colon, password = before.partition(":")
        parameters |= {"user": _decoded(user, "the user's name")} if user else {}
        parameters |= {"password": _decoded(password, "the password")} if colon and password else {}
        place = after
    hosts, _, database = place.partition("/")
    parameters |= _hosts(hosts)
    if database:
        parameters["dbname"] = _decoded(database, "the database's name")
    return parameters | _query(query)


def _hosts(text: str) -> dict[str, str]:
    hosts, ports_ = [], []
    for part in text.split(","):
        match = _HOST.fullmatch(part)
        if not match:
            raise InvalidAddress("a host cannot be read (an IPv6 address stands in brackets)")
        if match[1] == "[]":
            raise InvalidAddress("an IPv6 address is empty")
        hosts.append(match[1].strip("[]"))
        ports_.append(match[2] or "")
    # libpq decodes each list as a whole, so it refuses a space beside a comma.
    host, port = _decoded(",".join(hosts), "the host"), _decoded(",".join(ports_), "the port")
    return {name: listed for name, listed in (("host", host), ("port", port)) if listed.strip(",")}


def _query(text: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for number, pair in enumerate(filter(None, text.split("&")), start=1):
        keyword, equals, value = pair.partition("=")
        what = f"parameter {number} after the question mark"
        if not equals or "=" in value:
            raise InvalidAddress(f"{what} is not keyword=value")
        keyword, value = _decoded(keyword, what), _decoded(value, what)
        if (keyword, value) == ("ssl", "true"):  # JDBC's form, which libpq accepts too
            keyword, value = "sslmode", "require"
        parameters[keyword] = value
    return parameters


def _pairs(text: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    position = 0
    while text[position:].strip():
        match = _PAIR.match(text, position)
        if not match:
            raise InvalidAddress(
                f"pair {len(parameters) + 1} is not keyword=value, or its quote does not end"
            )
        value = match[2] if match[2] is not None else match[3]
        parameters[match[1]] = _SLASHES.sub(r"\1", value)
        position = match.end()
    return parameters


def _decoded(text: str, what: str) -> str:
    """`text` with its percent escapes resolved, without spaces around it; the result is UTF-8.

    Like libpq from 17 on, it refuses spaces inside the text: they are written as %20.
    """
    text = text.strip(" ")
    if " " in text:
        raise InvalidAddress(f"{what} holds a space (write it as %20)")
    data = text.encode("utf-8", "surrogateescape")
    plain = _BYTE.sub(lambda escape: b"" if escape[1] == b"00" else bytes.fromhex(escape[1].decode()), data)
    if data.count(b"%") != len(_BYTE.findall(data)) or b"%00" in data:
        raise InvalidAddress(f"{what} has a % that begins no escape")
    try:
        return plain.decode()
    except UnicodeDecodeError:
        raise InvalidAddress(f"{what} is not UTF-8 once its escapes are resolved") from None
