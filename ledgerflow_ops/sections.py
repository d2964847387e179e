"""The tables of the settings file: their fields, defaults and rules."""

from collections.abc import Callable
from datetime import time
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    field_validator,
    model_validator,
)

from ledgerflow_ops.core.alerting.findings import Level
from ledgerflow_ops.core.catalog.data_rules import DataRule
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.postgres.session_activity import Limits
from ledgerflow_ops.core.recipients import parse_recipients
from ledgerflow_ops.values import (
    AlertUrl,
    FolderPath,
    ListedPath,
    ProjectName,
    Recipients,
    ServiceName,
    Url,
    WebUrl,
    Zone,
    check_alert_url,
    check_database_url,
    check_web_url,
)

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class Rule(BaseModel):
    """A data rule as written in the settings file."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str = Field(min_length=1)
    sql: str = Field(min_length=1)
    expect: str


class GuardSettings(BaseModel):
    """What ledger_docker protects in addition to what it detects."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    volumes: tuple[str, ...] = ()
    fresh_minutes: int = Field(default=60, ge=1, le=7 * 24 * 60)
    protect_every_postgres: bool = False


class Channel(BaseModel):
    """A recipient of alerts: an apprise URL, for some environments, from a level on."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str = Field(min_length=1)
    url: AlertUrl | None = None
    url_file: FolderPath | None = None
    environments: tuple[Environment, ...] = tuple(Environment)
    level: Level = Level.WARNING
    _url: SecretStr | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _known_url(self) -> "Channel":
        self._url = read_secret(self.url, self.url_file, "url", check_alert_url)
        if self._url is None:
            raise ValueError("url and url_file are both missing: write one of them")
        return self

    @property
    def address(self) -> str:
        """The channel's URL, from the setting or from the file that it names."""
        assert self._url
        return self._url.get_secret_value()


class AlertSettings(BaseModel):
    """Who receives alerts and when. Quiet hours never delay critical alerts of prod or the machine."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    channels: tuple[Channel, ...] = ()
    remind_hours: float = Field(default=24, gt=0)
    settle_minutes: float = Field(default=5, ge=0)
    time_zone: Zone = "UTC"
    quiet_from: time | None = None
    quiet_until: time | None = None

    @field_validator("channels")
    @classmethod
    def _apart(cls, value: tuple[Channel, ...]) -> tuple[Channel, ...]:
        names = [channel.name for channel in value]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two channels have the name {twice}")
        return value

    @model_validator(mode="after")
    def _night(self) -> "AlertSettings":
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise ValueError("quiet_from and quiet_until go together: write both, or neither")
        if self.quiet_from is not None and self.quiet_from == self.quiet_until:
            raise ValueError("quiet_from and quiet_until are the same: write two different times, or neither")
        return self

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


class Compose(BaseModel):
    """A PostgreSQL that is a service of a Compose project. The container supplies what is left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    project: ProjectName
    file: FolderPath
    service: ServiceName
    env_file: FolderPath | None = None
    database: str | None = Field(default=None, min_length=1)
    user: str | None = Field(default=None, min_length=1)
    application: tuple[ServiceName, ...] = ()


class EnvironmentSettings(BaseModel):
    """One environment. Sizes are bytes; the schedule is a time of day in the environment's time zone."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    database_url: Url | None = None
    database_url_file: FolderPath | None = None
    admin_database_url: Url | None = None
    admin_database_url_file: FolderPath | None = None
    compose: Compose | None = None
    time_zone: Zone = "UTC"
    schedule: time = time(2, 30)
    scheduled: bool | None = None
    full_seal_on: Weekday = "sunday"
    full_seal_below: ByteSize = ByteSize(256_000_000)
    backup_minutes: int = Field(default=360, ge=1)
    late_minutes: int = Field(default=90, ge=1)
    stall_seconds: int = Field(default=300, ge=1)
    lock_timeout_seconds: int = Field(default=300, ge=1)
    redrill_days: int = Field(default=30, ge=1)
    redrill_minutes: int = Field(default=60, ge=0)
    rpo_hours: float = Field(default=26, gt=0)
    rto_minutes: float = Field(default=60, gt=0)
    size_floor: ByteSize = ByteSize(0)
    append_only: tuple[str, ...] = ()
    retention_days: int = Field(default=7, ge=1, le=3650)
    minimum_redundancy: int = Field(default=2, ge=1)
    keep_weekly: int = Field(default=0, ge=0)
    keep_monthly: int = Field(default=0, ge=0)
    keep_yearly: int = Field(default=0, ge=0)
    expire_share: float = Field(default=0.34, gt=0, le=1)
    ping_url: WebUrl | None = None
    ping_url_file: FolderPath | None = None
    recipients: Recipients = ()
    recipients_file: FolderPath | None = None
    identity_file: FolderPath | None = None
    identity_command: str = ""
    escrow_identity_file: FolderPath | None = None
    escrow_identity_command: str = ""
    role_passwords: bool = False
    files: tuple[ListedPath, ...] = ()
    rules: tuple[Rule, ...] = ()
    application_check: str = ""
    server_log: FolderPath | None = None
    _url: SecretStr | None = PrivateAttr(None)
    _admin_url: SecretStr | None = PrivateAttr(None)
    _ping_url: SecretStr | None = PrivateAttr(None)
    _recipients: tuple[str, ...] = PrivateAttr(())

    @model_validator(mode="after")
    def _known_url(self) -> "EnvironmentSettings":
        self._url = read_secret(self.database_url, self.database_url_file, "database_url")
        self._admin_url = read_secret(
            self.admin_database_url, self.admin_database_url_file, "admin_database_url"
        )
        self._ping_url = read_secret(self.ping_url, self.ping_url_file, "ping_url", check_web_url)
        self._recipients = read_recipients(self.recipients, self.recipients_file)
        if self.identity_file and self.identity_command:
            raise ValueError("identity_file and identity_command are both set: keep one of them")
        if self.escrow_identity_file and self.escrow_identity_command:
            raise ValueError(
                "escrow_identity_file and escrow_identity_command are both set: keep one of them"
            )
        if self.compose and (self._url or self._admin_url):
            given = "database_url" if self._url else "admin_database_url"
            raise ValueError(f"compose and {given} are both set: they may lead to two databases; keep one")
        return self

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def limits(self) -> Limits:
        """The time limits (seconds) for a database that sends nothing, and for waiting on its locks."""
        return Limits(stall=self.stall_seconds, lock=self.lock_timeout_seconds)

    @property
    def data_rules(self) -> tuple[DataRule, ...]:
        """The environment's own rules."""
        return tuple(DataRule(rule.name, rule.sql, rule.expect) for rule in self.rules)

    @property
    def url(self) -> str | None:
        """The database's URL, from the setting or from the file that it names; None for the sample."""
        return self._url.get_secret_value() if self._url else None

    @property
    def is_scheduled(self) -> bool:
        """Whether backups are scheduled. The default is yes, unless the database is the sample."""
        return self._url is not None or self.compose is not None if self.scheduled is None else self.scheduled

    @property
    def all_recipients(self) -> tuple[str, ...]:
        """The public keys that backups are encrypted for; none where they are not encrypted."""
        return self._recipients

    @property
    def has_escrow(self) -> bool:
        """Whether an escrowed identity is set: a copy that survives the loss of this machine."""
        return bool(self.escrow_identity_file or self.escrow_identity_command)

    @property
    def proof_ping_url(self) -> str | None:
        """The URL that is called after each proof, at a service that alerts when calls stop coming."""
        return self._ping_url.get_secret_value() if self._ping_url else None

    @property
    def admin_url(self) -> str | None:
        """The URL with the account that restores, if it is not the one that backs up."""
        return self._admin_url.get_secret_value() if self._admin_url else None


def read_recipients(listed: tuple[str, ...], file: Path | None) -> tuple[str, ...]:
    """The recipients that are listed and those in the file, each once. ValueError if the file is unusable."""
    if file is None:
        return tuple(dict.fromkeys(listed))
    try:
        in_file = parse_recipients(file.read_text())
    except OSError as error:
        raise ValueError(f"recipients_file: {file}: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"recipients_file: {file}: {error}") from None
    if not in_file:
        raise ValueError(f"recipients_file: {file}: it lists no recipient")
    return tuple(dict.fromkeys((*listed, *in_file)))


def read_secret(
    value: SecretStr | None,
    file: Path | None,
    path: str,
    read: Callable[[SecretStr], SecretStr] = check_database_url,
) -> SecretStr | None:
    """The secret from the setting `path`, or from the first line of the file that `path`_file names.

    `read` validates a secret from a file. ValueError if both are set, or if the file cannot be read.
    """
    if value and file:
        raise ValueError(f"{path} and {path}_file are both set: keep one of them")
    if file is None:
        return value
    try:
        return read(SecretStr(file.read_text().strip().partition("\n")[0].strip()))
    except OSError as error:
        raise ValueError(f"{path}_file: {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}_file: {file}: not text") from None
    except ValueError as error:
        raise ValueError(f"{path}_file: {file}: {error}") from None
