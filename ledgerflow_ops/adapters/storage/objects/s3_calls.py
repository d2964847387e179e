"""The calls of S3 that obstore does not have: versions, locks, and the parts of a multipart upload."""

import hashlib
from base64 import b64encode
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from typing import Any
from zlib import crc32

from ledgerflow_ops.adapters.storage.objects.bucket import Bucket, ObjectVersion, Protection
from ledgerflow_ops.adapters.storage.objects.clients import boto_client
from ledgerflow_ops.adapters.storage.objects.object_errors import translated
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.core.hints import Hint

_AT_ONCE = 4
"""Parts that are sent at the same time."""
_MOST_PARTS = 10_000
"""S3's own limit: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"""
_NOT_OFFERED = {"ObjectLockConfigurationNotFoundError", "NotImplemented", "MethodNotAllowed", "AccessDenied"}


def lock_options(bucket: Bucket, until: datetime | None) -> dict[str, Any]:
    """The arguments that lock a new object until that instant; none for None."""
    if until is None:
        return {}
    return {"ObjectLockMode": bucket.lock.upper(), "ObjectLockRetainUntilDate": until}


def put_locked(bucket: Bucket, key: str, data: bytes, until: datetime) -> None:
    """Create a small object that is locked from its first instant; Refused if the key is taken."""
    with translated(f"{bucket.url}/{key}", bucket.url):
        digest = b64encode(hashlib.sha256(data).digest()).decode()
        options = {"ChecksumSHA256": digest, "IfNoneMatch": "*", **lock_options(bucket, until)}
        boto_client(bucket).put_object(Bucket=bucket.name, Key=key, Body=data, **options)


def read_protection(bucket: Bucket) -> Protection:
    """Whether the bucket keeps versions and locks objects; None for what the server does not tell us."""
    with translated(bucket.url, bucket.url):
        client = boto_client(bucket)
        versioning = _asked(lambda: client.get_bucket_versioning(Bucket=bucket.name))
        lock = _asked(lambda: client.get_object_lock_configuration(Bucket=bucket.name))
    versioned = None if isinstance(versioning, str) else versioning.get("Status") == "Enabled"
    if isinstance(lock, str):
        return Protection(versioned, None if lock == "AccessDenied" else False)
    rule = lock.get("ObjectLockConfiguration", {})
    retention = rule.get("Rule", {}).get("DefaultRetention", {})
    days = retention.get("Days") or 365 * retention.get("Years", 0) or None
    return Protection(versioned, rule.get("ObjectLockEnabled") == "Enabled", days)


def _asked(call: Any) -> Any:
    """The answer; the error's code as text where the server does not offer it, or not to us."""
    from botocore.exceptions import ClientError

    try:
        return call()
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code not in _NOT_OFFERED:
            raise
        return code


def list_versions(bucket: Bucket, prefix: str) -> list[ObjectVersion]:
    """All versions of the objects below a prefix (ending with /), not of those in its sections."""
    found: list[ObjectVersion] = []
    with translated(f"{bucket.url}/{prefix}", bucket.url):
        pages = boto_client(bucket).get_paginator("list_object_versions")
        for page in pages.paginate(Bucket=bucket.name, Prefix=prefix, Delimiter="/"):
            found += [_version(entry, prefix, removal=False) for entry in page.get("Versions", ())]
            found += [_version(entry, prefix, removal=True) for entry in page.get("DeleteMarkers", ())]
    return found


def _version(entry: dict[str, Any], prefix: str, *, removal: bool) -> ObjectVersion:
    return ObjectVersion(
        entry["Key"].removeprefix(prefix),
        entry["VersionId"],
        entry.get("Size", 0),
        entry["LastModified"],
        entry["IsLatest"],
        removal,
    )


def unfinished_uploads(bucket: Bucket, prefix: str) -> list[tuple[str, str]]:
    """Name and id of the multipart uploads below a prefix that were neither completed nor aborted."""
    with translated(f"{bucket.url}/{prefix}", bucket.url):
        return list(_uploads(boto_client(bucket), bucket.name, prefix))


def _uploads(client: Any, bucket: str, prefix: str) -> Iterator[tuple[str, str]]:
    for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
        for upload in page.get("Uploads", ()):
            name = upload["Key"].removeprefix(prefix)
            if "/" not in name:
                yield name, upload["UploadId"]


def abort_upload(bucket: Bucket, key: str, upload: str) -> None:
    """Remove the parts of an unfinished upload; does nothing if it is gone."""
    with translated(f"{bucket.url}/{key}", bucket.url):
        client = boto_client(bucket)
        with suppress(client.exceptions.NoSuchUpload):
            client.abort_multipart_upload(Bucket=bucket.name, Key=key, UploadId=upload)


class MultipartUpload:
    """A multipart upload whose last step creates the object, exclusively: If-None-Match on S3's
    CompleteMultipartUpload. obstore can either send parts or refuse to overwrite, not both."""

    def __init__(self, bucket: Bucket, key: str, until: datetime | None) -> None:
        self._bucket, self._key, self._where = bucket, key, f"{bucket.url}/{key}"
        self._sent: list[dict[str, Any]] = []
        self._running = deque[Future[dict[str, Any]]]()
        with translated(self._where, bucket.url):
            self._client = boto_client(bucket)
            options = {"ChecksumAlgorithm": "CRC32", **lock_options(bucket, until)}
            begun = self._client.create_multipart_upload(Bucket=bucket.name, Key=key, **options)
        self._names = {"Bucket": bucket.name, "Key": key, "UploadId": begun["UploadId"]}
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="upload")

    def part(self, data: bytes) -> None:
        """Send the next part, while up to three earlier ones are still on their way."""
        if len(self._running) >= _AT_ONCE:
            self._wait()
        number = len(self._sent) + len(self._running) + 1
        if number > _MOST_PARTS:
            raise Refused(
                f"{self._where}: more than {_MOST_PARTS:,} parts of {len(data):,} bytes.",
                hint=Hint("S3 takes no more. Keep this backup in a location of another kind."),
            )
        self._running.append(self._pool.submit(self._send, number, data))

    def _send(self, number: int, data: bytes) -> dict[str, Any]:
        """Send a part with its CRC-32, so that the server refuses bytes that arrive altered. Stronger digests
        take a tenth of the time that sending takes, and ours is compared when the copy is read back."""
        part = {"PartNumber": number, "ChecksumCRC32": b64encode(crc32(data).to_bytes(4, "big")).decode()}
        with translated(self._where, self._bucket.url):
            answer = self._client.upload_part(Body=data, **part, **self._names)
        return {**part, "ETag": answer["ETag"]}

    def _wait(self) -> None:
        self._sent.append(self._running.popleft().result())

    def finish(self) -> None:
        """Wait until all parts are at the server."""
        while self._running:
            self._wait()

    def publish(self) -> None:
        """Give the object its name; Refused if that is taken."""
        with translated(self._where, self._bucket.url):
            self._client.complete_multipart_upload(
                MultipartUpload={"Parts": self._sent}, IfNoneMatch="*", **self._names
            )

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def abandon(self) -> None:
        """Remove the parts, if the server can be reached; else `sweep` removes them."""
        self.close()
        with suppress(LedgerError):
            abort_upload(self._bucket, self._key, self._names["UploadId"])
