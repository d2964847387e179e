"""The settings of an archive location: where copies of backups are kept, and by what rules."""

import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ByteSize, ConfigDict, Field, field_validator, model_validator

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.places import absolute_path
from ledgerflow_ops.values import FolderPath

LocationKind = Literal["folder", "s3", "azure", "gcs"]
ObjectLock = Literal["governance", "compliance", "off"]

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")
_PREFIX = r"(?P<prefix>(/[A-Za-z0-9_=-][A-Za-z0-9_.=-]*)*)/?"
_BUCKET = r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]"
_URLS = {
    "s3": (re.compile(rf"s3://(?P<bucket>{_BUCKET}){_PREFIX}"), "s3://bucket/prefix"),
    "gcs": (re.compile(rf"gs://(?P<bucket>{_BUCKET}){_PREFIX}"), "gs://bucket/prefix"),
    "azure": (
        re.compile(
            r"(?P<service>https?://(?P<host>[a-z0-9.-]+)(:[0-9]{1,5})?(/(?P<local>devstoreaccount1))?)"
            rf"/(?P<bucket>\$?{_BUCKET}){_PREFIX}"
        ),
        "https://ACCOUNT.blob.core.windows.net/container/prefix",
    ),
}
"""The form of each kind's URL. Azure's emulator has its account, always the same one, in the path."""


class Location(BaseModel):
    """An archive location. A store per environment is in it: a folder, or a prefix of a bucket.

    `url` is the path of a folder, or the bucket's URL, without credentials. Rates are bytes per second.
    What is None is as in the environment's own settings.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, hide_input_in_errors=True)

    name: str
    kind: LocationKind
    url: str = Field(min_length=1)
    environments: tuple[Environment, ...] = tuple(Environment)
    retention_days: int | None = Field(default=None, ge=1, le=3650)
    keep_weekly: int | None = Field(default=None, ge=0)
    keep_monthly: int | None = Field(default=None, ge=0)
    keep_yearly: int | None = Field(default=None, ge=0)
    rate_limit: ByteSize | None = Field(default=None, ge=1024)
    offsite: bool | None = None
    endpoint: str | None = None
    region: str | None = Field(default=None, pattern=r"^[a-z0-9-]+$")
    credentials: Literal["environment", "sdk"] = "environment"
    credentials_file: FolderPath | None = None
    object_lock: ObjectLock = "governance"

    @field_validator("name")
    @classmethod
    def _simple(cls, name: str) -> str:
        if not _NAME.fullmatch(name) or name == "primary":
            raise ValueError("not a location's name: lower case letters, digits, - and _, but not primary")
        return name

    @field_validator("endpoint")
    @classmethod
    def _origin(cls, endpoint: str | None) -> str | None:
        if endpoint is None:
            return None
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("not an endpoint; write it as https://s3.example.org")
        if parts.username is not None or parts.password is not None:
            raise ValueError("holds credentials: write them into credentials_file")
        return endpoint.rstrip("/")

    @model_validator(mode="after")
    def _of_its_kind(self) -> "Location":
        """The URL has its kind's form, and no setting of another kind is set."""
        if self.kind == "folder":
            absolute_path(Path(self.url))
        elif not _URLS[self.kind][0].fullmatch(self.url):
            what = "holds credentials" if "@" in self.url or "?" in self.url else "not a URL"
            raise ValueError(f"url: {what} of kind {self.kind}; write it as {_URLS[self.kind][1]}")
        foreign = {"folder": {"endpoint", "region", "credentials", "credentials_file", "object_lock"}}
        foreign |= {kind: {"endpoint", "region", "object_lock"} for kind in ("azure", "gcs")}
        if surplus := sorted(foreign.get(self.kind, set()) & self.model_fields_set):
            raise ValueError(f"{', '.join(surplus)}: not a setting of kind {self.kind}")
        if self.credentials_file and "credentials" in self.model_fields_set:
            raise ValueError("credentials and credentials_file are both set: keep one of them")
        return self

    @property
    def folder(self) -> Path | None:
        """The folder of kind folder, which contains one folder for each environment; else None."""
        return absolute_path(Path(self.url)) if self.kind == "folder" else None

    @property
    def is_offsite(self) -> bool:
        """Whether it survives the loss of this machine and its surroundings, in the sense of the 3-2-1 rule.

        By default every kind but a folder does: an object store is served by another machine.
        """
        return self.kind != "folder" if self.offsite is None else self.offsite

    @property
    def bucket(self) -> str:
        """The bucket or container; empty for a folder."""
        return self._part("bucket")

    @property
    def prefix(self) -> str:
        """What the keys begin with, without slashes at its ends; often empty."""
        return self._part("prefix").strip("/")

    @property
    def account(self) -> str:
        """Azure's storage account; empty for other kinds."""
        return self._part("local") or self._part("host").partition(".")[0]

    @property
    def service(self) -> str:
        """The URL of the account's blob service on Azure; empty for other kinds."""
        return self._part("service")

    def _part(self, name: str) -> str:
        if self.kind == "folder":
            return ""
        match = _URLS[self.kind][0].fullmatch(self.url)
        assert match
        return match.groupdict().get(name) or ""


def folder_locations(roots: tuple[Path, ...]) -> tuple[Location, ...]:
    """The locations that the folders of `archive_roots` are: archive, archive-2, archive-3, …"""
    return tuple(
        Location(name=f"archive-{number}" if number > 1 else "archive", kind="folder", url=str(root))
        for number, root in enumerate(roots, start=1)
    )


def locations_apart(locations: tuple[Location, ...]) -> None:
    """ValueError if two of all locations have one name, or one of them holds another's backups too."""
    names: set[str] = set()
    urls: dict[str, str] = {}
    for location in locations:
        if location.name in names:
            raise ValueError(f"locations: two have the name {location.name}")
        names.add(location.name)
        url = f"{location.endpoint or ''} {location.folder or location.url.rstrip('/')}"
        if url in urls:
            raise ValueError(f"locations: {urls[url]} and {location.name} are the same place")
        urls[url] = location.name
