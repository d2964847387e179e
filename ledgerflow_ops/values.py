"""The types of settings' values, with validators whose ValueError says what is wrong."""

import base64
import os
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, SecretStr

from ledgerflow_ops.core import recipients
from ledgerflow_ops.core.postgres import addresses
from ledgerflow_ops.core.postgres.addresses import InvalidAddress
from ledgerflow_ops.places import absolute_path


def _listed(path: Path) -> Path:
    """A folder or file to back up, as a normalized absolute path, so that paths can be compared."""
    try:
        expanded = path.expanduser()
    except RuntimeError:
        raise ValueError(f"there is no home folder for {path.parts[0]}") from None
    if not expanded.is_absolute() or "\0" in str(expanded):
        raise ValueError(f"{str(path)!r}: write an absolute path, beginning with / or ~")
    plain = Path(os.path.normpath(expanded))
    if plain == Path(plain.anchor):
        raise ValueError(f"{str(path)!r}: the whole disk cannot be backed up as files")
    return plain


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("no such time zone; write it as Europe/Vienna or UTC") from None
    return name


def _project(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise ValueError(
            "not a Compose project's name: lower case letters, digits, - and _, as in ledger-dev"
        )
    return name


def _service(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name):
        raise ValueError("not a Compose service's name: letters, digits, ., - and _, as in postgres")
    return name


def check_database_url(secret: SecretStr) -> SecretStr:
    """An address in one of libpq's forms that names a database. Error messages never contain it."""
    form = "write it as postgresql://user@host:5432/database"
    try:
        parameters = addresses.parse_address(secret.get_secret_value())
        addresses.check_ports(parameters)
    except InvalidAddress as error:
        raise ValueError(f"not a PostgreSQL URL: {error}; {form}") from None
    if not parameters.get("dbname") and not parameters.get("service"):
        raise ValueError(f"names no database; {form}")
    return secret


def check_web_url(secret: SecretStr) -> SecretStr:
    """The URL of a web service. Error messages never contain it: whoever knows it may call it."""
    try:
        parts = urlsplit(secret.get_secret_value())
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not a web address; write it as https://host/path")
    return secret


def _origin(address: str) -> str:
    """A web page's origin as browsers write it (RFC 6454): scheme, host, and the port unless left out."""
    form = f"{address!r}: write it as https://backups.example.org, without a path"
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(form) from None
    plain = re.fullmatch(r"[a-z0-9_.-]+|[0-9a-f:.]+", host) and not parts.username and not parts.password
    if parts.scheme not in ("http", "https") or not plain or parts.path.strip("/") or parts.query:
        raise ValueError(form)
    if parts.fragment or port == 0:
        raise ValueError(form)
    written = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{written}" + (f":{port}" if port else "")


def check_alert_url(secret: SecretStr) -> SecretStr:
    """A URL for apprise. Error messages never contain it.

    Only its form is checked. apprise checks it when an alert is sent, because importing apprise takes longer
    than most commands.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://\S.*", secret.get_secret_value()):
        raise ValueError("not an address of a channel; write it as ntfy://host/topic or mailto://user@host")
    return secret


def _separated(value: object) -> object:
    """Several recipients in one variable, separated by commas."""
    return [part for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _public_key(word: str) -> str:
    """A public key of minisign in one word: algorithm (Ed), 8 bytes of id, 32 bytes of key."""
    try:
        key = base64.b64decode(word, validate=True)
    except ValueError:
        key = b""
    if len(key) != 42 or not key.startswith(b"Ed"):
        raise ValueError("not a public key; it is one word of 56 characters that begins with RW")
    return word


FolderPath = Annotated[Path, AfterValidator(absolute_path)]
ListedPath = Annotated[Path, AfterValidator(_listed)]
Recipients = Annotated[
    tuple[Annotated[str, AfterValidator(recipients.check_recipient)], ...], BeforeValidator(_separated)
]
AlertUrl = Annotated[SecretStr, AfterValidator(check_alert_url)]
Url = Annotated[SecretStr, AfterValidator(check_database_url)]
WebUrl = Annotated[SecretStr, AfterValidator(check_web_url)]

WebOrigin = Annotated[str, AfterValidator(_origin)]
ProjectName = Annotated[str, AfterValidator(_project)]
ServiceName = Annotated[str, AfterValidator(_service)]
PublicKey = Annotated[str, AfterValidator(_public_key)]
Zone = Annotated[str, AfterValidator(_zone)]
