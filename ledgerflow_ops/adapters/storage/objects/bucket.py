"""What identifies a bucket and how it is reached: plain data, never a credential."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

BucketKind = Literal["s3", "azure", "gcs"]
LockMode = Literal["governance", "compliance", "off"]


@dataclass(frozen=True, slots=True)
class CredentialSource:
    """Where the credentials are: in the file, else in the environment's variables, else (`sdk`) wherever the
    provider's own library finds them. They are read when they are needed, and again after `kept` seconds."""

    file: Path | None = None
    sdk: bool = False
    kept: float = 60.0


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds after which a server that does nothing counts as dead. Each request is tried twice."""

    connect: float = 5.0
    idle: float = 15.0
    """Without an answer, or without the next byte of one."""
    part: float = 300.0
    """For sending one part of a large file, where only the whole request can be limited (not S3)."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket or container. Equal buckets are the same place, however they are reached."""

    kind: BucketKind
    name: str
    service: str = ""
    """The endpoint's URL; empty for the provider's own."""
    account: str = ""
    """Azure's storage account."""
    region: str = field(default="", compare=False)
    credentials: CredentialSource = field(default=CredentialSource(), compare=False)
    lock: LockMode = field(default="governance", compare=False)
    """How new objects are locked where the bucket offers it."""
    rate: int | None = field(default=None, compare=False)
    """Bytes per second that are sent at most."""
    timeouts: Timeouts = field(default=Timeouts(), compare=False)
    part: int = field(default=16 * 1024 * 1024, compare=False)
    """Bytes of one part of a large file; a file that fits in one is sent at once. S3 takes 10,000 of them."""

    @property
    def url(self) -> str:
        """Where it is, for people: without credentials, and without a slash at its end."""
        if self.service:
            return f"{self.service}/{self.name}"
        return f"{'gs' if self.kind == 'gcs' else 's3'}://{self.name}"


@dataclass(frozen=True, slots=True)
class Protection:
    """What a bucket does for its objects by itself. None where the provider does not tell."""

    versioned: bool | None = None
    """Whether an overwritten or deleted object is kept as an older version."""
    lockable: bool | None = None
    """Whether an object can be locked until a date (S3 Object Lock)."""
    default_days: int | None = None
    """The days for which the bucket locks every new object by itself."""


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """A version of an object in a versioned bucket."""

    name: str
    version: str
    size: int
    modified: datetime
    is_current: bool
    is_removal: bool
    """Whether it is the marker that the object was deleted."""


Variables = Mapping[str, str]
