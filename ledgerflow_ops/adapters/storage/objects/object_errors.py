"""Translates the errors of obstore and boto3 to LedgerErrors.

Their messages are never repeated: they hold whole requests, and for some kinds of credentials these are in
the request's address. Only the status and the server's error code are used.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from ledgerflow_ops.core.errors import (
    CredentialsExpired,
    Denied,
    LedgerError,
    Missing,
    Refused,
    StorageFull,
    Unanswered,
)
from ledgerflow_ops.core.hints import Hint, make

# The codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, MinIO's cmd/api-errors.go,
# https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "UnauthorizedSSOTokenError"}
_WRONG = {
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthenticationFailed",
    "AuthorizationFailure", "InvalidAuthenticationInfo", "UnrecognizedClientException",
    "AuthorizationHeaderMalformed",
}  # fmt: skip
_NO_CREDENTIALS = {
    "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError",
    "SSOTokenLoadError", "ProfileNotFound",
}  # fmt: skip
_SKEWED = {"RequestTimeTooSkewed"}
_NO_BUCKET = {"NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted", "ContainerDisabled"}
_NO_OBJECT = {"NoSuchKey", "BlobNotFound", "NoSuchVersion", "NotFoundError", "FileNotFoundError"}
_TAKEN = {
    "AlreadyExistsError", "PreconditionError", "PreconditionFailed", "BlobAlreadyExists", "ConditionNotMet",
    "ConditionalRequestConflict",
}  # fmt: skip
_FULL = {
    "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage",
    "AccountStorageLimitExceeded", "StorageQuotaExceeded",
}  # fmt: skip
_ALTERED = {
    "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "BadDigest", "InvalidDigest", "Md5Mismatch",
    "Crc64Mismatch",
}  # fmt: skip
_SERVER_ERROR = 500
_INSUFFICIENT_STORAGE = 507
_CODE = re.compile(r"<Code>\s*(\w+)\s*</Code>")
_STATUS = re.compile(r"status code: (\d{3})|\(code: (\d{3})\)")
_OUT_OF_TIME = "not valid in the specified time frame"
"""What Azure says of a shared access signature that has expired."""
_NO_SOURCE = ("169.254.169.254", "credential provider")
"""In the text of an error where credentials could not be got: the address at which a machine in a cloud finds
its own, where nothing answers elsewhere; and what obstore calls our own function that reads them."""


class _Answer(NamedTuple):
    """What the server answered: its error code and HTTP status, empty and 0 without an answer."""

    code: str
    status: int
    kind: str
    """The name of the error's class."""

    def is_one(self, codes: set[str]) -> bool:
        return self.code in codes or self.kind in codes


@contextmanager
def translated(where: str, bucket: str) -> Iterator[None]:
    """Raise the libraries' errors as LedgerErrors that name `where`, the object or the bucket."""
    try:
        yield
    except LedgerError:
        raise
    except Exception as error:
        if not _is_foreign(error):
            raise
        raise explained(error, where, bucket) from None


def _is_foreign(error: Exception) -> bool:
    """obstore's writer raises plain OSErrors, and the rest of it FileNotFoundErrors."""
    return type(error).__module__.startswith(("obstore", "botocore", "boto3")) or isinstance(error, OSError)


def explained(error: Exception, where: str, bucket: str) -> LedgerError:
    """The LedgerError that says what a library's error means."""
    answer, text = _answer(error), str(error)
    return (
        _of_credentials(answer, text, bucket)
        or _of_place(answer, text, where, bucket)
        or _of_server(answer, where, bucket)
    )


def _answer(error: Exception) -> _Answer:
    kind, response = type(error).__name__, getattr(error, "response", None)
    if isinstance(response, dict):
        code = str(response.get("Error", {}).get("Code", ""))
        return _Answer(code, int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)), kind)
    text = str(error)
    found, status = _CODE.search(text), _STATUS.search(text)
    return _Answer(found[1] if found else "", int(status[1] or status[2]) if status else 0, kind)


def _of_credentials(answer: _Answer, text: str, bucket: str) -> LedgerError | None:
    if answer.is_one(_EXPIRED) or (answer.code == "AuthenticationFailed" and _OUT_OF_TIME in text):
        return credentials_expired(bucket)
    if answer.is_one(_SKEWED):
        hint = Hint("Set this machine's clock: ", make("doctor"), " shows it.")
        return Denied(f"{bucket}: the server's clock and this machine's differ too much.", hint=hint)
    if answer.is_one(_NO_CREDENTIALS) or (not answer.status and any(sign in text for sign in _NO_SOURCE)):
        return no_credentials(bucket)
    if answer.is_one(_WRONG):
        hint = Hint("Correct the location's credentials: ledgerflow.example.toml says where they are read.")
        return Denied(f"{bucket}: the credentials are not valid ({answer.code}).", hint=hint)
    return None


def _of_place(answer: _Answer, text: str, where: str, bucket: str) -> LedgerError | None:
    if answer.is_one(_NO_BUCKET) or "container does not exist" in text or "bucket does not exist" in text:
        hint = Hint("Create it at its provider, private, or correct the location's url in ledgerflow.toml.")
        return Missing(f"{bucket}: there is no such bucket.", hint=hint)
    if answer.is_one(_TAKEN):
        return already_there(where)
    if answer.is_one(_NO_OBJECT):
        return Missing(f"{where}: no such object.", hint=Hint(make("status"), " lists the backups."))
    if answer.is_one(_FULL) or answer.status == _INSUFFICIENT_STORAGE:
        hint = Hint("Raise its quota, or remove backups there; then run it again.")
        return StorageFull(f"{bucket} is full: the server takes no more bytes.", hint=hint)
    return None


def _of_server(answer: _Answer, where: str, bucket: str) -> LedgerError:
    said = answer.code or (f"HTTP status {answer.status}" if answer.status else answer.kind)
    if answer.is_one(_ALTERED):
        hint = Hint("Nothing was stored. Run it again; if it goes on, check the network and this machine.")
        return LedgerError(f"{where}: the bytes arrived altered ({said}).", hint=hint)
    if answer.status in (401, 403):
        hint = Hint("Give the location's credentials the right to list, read, write and delete there.")
        return Denied(f"{where}: the server refuses access ({said}).", hint=hint)
    if not answer.status:
        hint = Hint("Check the network and the server; then run it again.")
        return Unanswered(f"{bucket}: no answer from its server.", hint=hint)
    if answer.status >= _SERVER_ERROR:
        hint = Hint("Try again later. Some servers answer so when the bucket is full or over its quota.")
        return LedgerError(f"{where}: the server reports an error of its own ({said}).", hint=hint)
    hint = Hint("The provider's documentation explains the code.")
    return LedgerError(f"{where}: the server refuses the request ({said}).", hint=hint)


def credentials_expired(bucket: str, when: str = "") -> CredentialsExpired:
    """The error where credentials have expired; `when` says when they did."""
    hint = Hint("Renew the location's credentials; then run it again.")
    return CredentialsExpired(f"{bucket}: the credentials have expired{when}.", hint=hint)


def no_credentials(bucket: str) -> Denied:
    """The error where no credentials are found."""
    return Denied(
        f"{bucket}: no credentials are found.",
        hint=Hint("Set credentials_file or credentials of this location in ledgerflow.toml."),
    )


def already_there(where: str) -> Refused:
    """The error where a new object's name is taken."""
    hint = Hint("Backups are never overwritten. Choose another name.")
    return Refused(f"{where} exists already.", hint=hint)
