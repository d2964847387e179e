"""Reads a location's credentials when they are needed. They are returned, and never kept, shown or logged."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from ledgerflow_ops.adapters.storage.objects.bucket import Bucket, Variables
from ledgerflow_ops.adapters.storage.objects.object_errors import credentials_expired, no_credentials
from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.errors import Denied
from ledgerflow_ops.core.hints import Hint

if TYPE_CHECKING:
    from obstore.store import AzureCredential, S3Credential


def read_variables(bucket: Bucket) -> Variables:
    """The variables in the credentials' file, else those of the environment. Denied if it cannot be read."""
    file = bucket.credentials.file
    if file is None:
        return os.environ
    try:
        return dict(_assignments(file))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise Denied(
            f"{file}: {reason}: the credentials of {bucket.url} are not known.",
            hint=Hint("Restore the file, readable for this account: docs/archive.md says what it holds."),
        ) from None


def _assignments(file: Path) -> list[tuple[str, str]]:
    """The lines NAME=value of a file; `export` before a name and quotes around a value are left out.

    Names are read in any case: the AWS programs write them in small letters into their own file.
    """
    lines = (line.strip().removeprefix("export ") for line in file.read_text(encoding="utf-8").splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return [(name.strip().upper(), value.strip().strip("\"'")) for name, _, value in pairs]


def s3_provider(bucket: Bucket) -> "Callable[[], S3Credential]":
    """What obstore asks for the credentials of an S3 bucket. Denied if there are none now."""
    if bucket.credentials.sdk:
        found = _session_credentials(bucket)

        def of_session() -> "S3Credential":
            keys = found.get_frozen_credentials()
            return _s3_credential(bucket, keys.access_key, keys.secret_key, keys.token)

        return of_session
    s3_keys(bucket)
    return lambda: _s3_credential(bucket, *s3_keys(bucket))


def _s3_credential(bucket: Bucket, key: str, secret: str, token: str | None) -> "S3Credential":
    return {
        "access_key_id": key,
        "secret_access_key": secret,
        "token": token or None,
        "expires_at": _expiry(bucket),
    }


def s3_keys(bucket: Bucket) -> tuple[str, str, str | None]:
    """The key's name, the secret and the session token, if there is one. Denied if there are none."""
    variables = read_variables(bucket)
    key, secret = variables.get("AWS_ACCESS_KEY_ID"), variables.get("AWS_SECRET_ACCESS_KEY")
    if not key or not secret:
        raise no_credentials(bucket.url)
    return key, secret, variables.get("AWS_SESSION_TOKEN") or None


def boto_options(bucket: Bucket) -> dict[str, Any]:
    """The keyword arguments that give a client of `boto_session` the credentials that are not its own."""
    if bucket.credentials.sdk:
        return {"region_name": bucket.region or None}
    key, secret, token = s3_keys(bucket)
    keys = {"aws_access_key_id": key, "aws_secret_access_key": secret, "aws_session_token": token}
    return {**keys, "region_name": bucket.region or "us-east-1"}


@lru_cache(maxsize=1)
def boto_session() -> Any:
    """A boto3 session, shared because it reads its descriptions of services slowly, and once."""
    import boto3  # slow to import, and rarely needed

    return boto3.Session()


def _session_credentials(bucket: Bucket) -> Any:
    """What the provider's own library finds. Denied if that is nothing."""
    from botocore.exceptions import BotoCoreError

    try:
        found = boto_session().get_credentials()
    except BotoCoreError:
        found = None
    if found is None:
        raise no_credentials(bucket.url)
    return found


def azure_options(bucket: Bucket) -> dict[str, Any]:
    """The keyword arguments with which obstore gets the credentials of a container."""
    if bucket.credentials.sdk:
        return {}
    variables = read_variables(bucket)
    if variables.get("AZURE_STORAGE_ACCOUNT_KEY") or _azure_sas(variables):
        return {"credential_provider": lambda: _azure_credential(bucket)}
    names = {
        "client_id": "AZURE_CLIENT_ID",
        "client_secret": "AZURE_CLIENT_SECRET",
        "tenant_id": "AZURE_TENANT_ID",
    }
    found = {option: variables[name] for option, name in names.items() if variables.get(name)}
    if len(found) < len(names):
        raise no_credentials(bucket.url)
    return found


def require_current(bucket: Bucket) -> None:
    """CredentialsExpired (1) where Azure's shared access signature has ended. Its end is in itself (`se`).

    The service says only that it cannot authenticate the request, and to some requests not even that.
    https://learn.microsoft.com/rest/api/storageservices/create-account-sas
    """
    if bucket.kind != "azure" or bucket.credentials.sdk:
        return
    try:
        variables = read_variables(bucket)
    except Denied:  # the client says so once it needs them
        return
    if variables.get("AZURE_STORAGE_ACCOUNT_KEY"):
        return
    end = _end_of_signature(_azure_sas(variables))
    if end and end <= clock.now():
        raise credentials_expired(bucket.url, f" (they ended at {end:%Y-%m-%d %H:%M} UTC)")


def _end_of_signature(sas: str) -> datetime | None:
    """When a shared access signature ends; None where it does not say so."""
    try:
        end = datetime.fromisoformat(parse_qs(sas.removeprefix("?")).get("se", [""])[0])
    except ValueError:
        return None
    return end if end.tzinfo else end.replace(tzinfo=UTC)


def _azure_sas(variables: Variables) -> str:
    return variables.get("AZURE_STORAGE_SAS_TOKEN") or variables.get("AZURE_STORAGE_SAS_KEY") or ""


def _azure_credential(bucket: Bucket) -> "AzureCredential":
    variables = read_variables(bucket)
    if key := variables.get("AZURE_STORAGE_ACCOUNT_KEY"):
        return {"access_key": key, "expires_at": _expiry(bucket)}
    return {"sas_token": _azure_sas(variables), "expires_at": _expiry(bucket)}


def gcs_options(bucket: Bucket) -> dict[str, Any]:
    """The keyword arguments with which obstore gets Google's credentials: a service account's JSON file."""
    return {"service_account": str(bucket.credentials.file)} if bucket.credentials.file else {}


def _expiry(bucket: Bucket) -> datetime:
    """When the source is read again: a file may have been renewed."""
    return clock.now() + timedelta(seconds=bucket.credentials.kept)
