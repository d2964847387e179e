"""Opens obstore's and boto3's clients of a bucket, with limits on how long they wait."""

from datetime import timedelta
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any

from ledgerflow_ops.adapters.storage.objects.bucket import Bucket
from ledgerflow_ops.adapters.storage.objects.credentials import (
    azure_options,
    boto_options,
    boto_session,
    gcs_options,
    require_current,
    s3_provider,
)

if TYPE_CHECKING:
    from obstore.store import AzureStore, ClientConfig, GCSStore, RetryConfig, S3Store

    Client = S3Store | AzureStore | GCSStore

_DAY = timedelta(days=1)
_CREATING = Lock()
_RETRIES = 1
_BACKOFF = {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=2), "base": 2}


def calls(bucket: Bucket) -> "Client":
    """For requests whose bytes are few: the whole of each is limited."""
    idle = timedelta(seconds=bucket.timeouts.idle)
    return _current(bucket, idle, idle)


def downloads(bucket: Bucket) -> "Client":
    """For reading objects of any size: only the wait for their next bytes is limited."""
    return _current(bucket, _DAY, timedelta(seconds=bucket.timeouts.idle))


def parts(bucket: Bucket) -> "Client":
    """For writing parts of large objects."""
    part = timedelta(seconds=bucket.timeouts.part)
    return _current(bucket, part, part)


def _current(bucket: Bucket, whole: timedelta, idle: timedelta) -> "Client":
    require_current(bucket)
    return _opened(bucket, _reached_by(bucket), whole, idle)


def _reached_by(bucket: Bucket) -> tuple[object, ...]:
    return bucket.credentials, bucket.region, bucket.timeouts


@lru_cache(maxsize=32)
def _opened(bucket: Bucket, reached_by: object, whole: timedelta, idle: timedelta) -> "Client":  # noqa: ARG001
    """One client, and so one pool of connections, for all stores in a bucket.

    Buckets are equal however they are reached, so that is an argument of its own.
    """
    from obstore.store import AzureStore, GCSStore, S3Store  # imported only by who has such a location

    client: ClientConfig = {
        "allow_http": bucket.service.startswith("http://"),
        "connect_timeout": timedelta(seconds=bucket.timeouts.connect),
        "timeout": whole,
        "read_timeout": idle,
    }
    retry: RetryConfig = {"max_retries": _RETRIES, "retry_timeout": whole, "backoff": _BACKOFF}  # type: ignore[typeddict-item]
    options: Any = {"client_options": client, "retry_config": retry}
    if bucket.kind == "azure":
        options |= {"account_name": bucket.account, "endpoint": bucket.service}
        return AzureStore(bucket.name, **options, **azure_options(bucket))
    if bucket.kind == "gcs":
        return GCSStore(bucket.name, **options, **gcs_options(bucket))
    if bucket.service:  # this name goes before the environment's AWS_ENDPOINT_URL_S3
        options |= {"aws_endpoint_url_s3": bucket.service}
    if bucket.region:
        options |= {"region": bucket.region}
    options |= {"credential_provider": s3_provider(bucket)}
    # A copy is exclusive only as the last step of a multipart upload. The server checks the SHA-256.
    return S3Store(bucket.name, copy_if_not_exists="multipart", checksum_algorithm="SHA256", **options)


def boto_client(bucket: Bucket) -> Any:
    """A boto3 client for S3, for what obstore has no call for: a new one each time, with the present keys.

    Its own checksums are left out: over TLS it sends them in a form that not every server knows.
    """
    from botocore.config import Config

    config = Config(
        connect_timeout=bucket.timeouts.connect,
        read_timeout=bucket.timeouts.idle,
        retries={"total_max_attempts": _RETRIES + 1, "mode": "standard"},
        s3={"addressing_style": "path" if bucket.service else "auto"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    with _CREATING:  # a session is not safe for threads
        return boto_session().client(
            "s3", endpoint_url=bucket.service or None, config=config, **boto_options(bucket)
        )
