"""Files and LEDGER_* variables → one typed, frozen object.

A value is taken from the first place that has it: the environment variable, `ledgerflow.toml` (or the
file that LEDGER_CONFIG names), the default. Every mistake is reported at once, with its path.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import SettingsError
from ledgerflow_ops.core.manifest import problems
from ledgerflow_ops.core.rules import DataRule

PROJECT = Path(__file__).parent.parent
_RETENTION = {Environment.DEV: 7, Environment.TEST: 3, Environment.PROD: 30}
_NOT_SETTINGS = {"LEDGER_ENV", "LEDGER_CONFIG"}
_VARIABLE = re.compile(r"LEDGER_(DEV|TEST|PROD|[A-Z0-9]+(?=_DATABASE_URL))_([A-Z_]+)")
"""An environment's variable. A database's URL for anything that is not an environment is one as well:
it is a misspelt target, and is reported instead of being passed over."""


def _folder(path: Path) -> Path:
    expanded = path.expanduser()
    return expanded if expanded.is_absolute() else PROJECT / expanded


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("no such time zone; write it as Europe/Vienna or UTC") from None
    return name


def _url(secret: SecretStr) -> SecretStr:
    """A URL of the form that every part of the system understands. The message never repeats it."""
    form = "write it as postgresql://user@host:5432/database"
    try:
        parts = urlsplit(secret.get_secret_value())
        port_is_sane = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError(f"not a URL; {form}") from None
    if parts.scheme not in ("postgresql", "postgres", "postgresql+psycopg2") or not port_is_sane:
        raise ValueError(f"not a PostgreSQL URL; {form}")
    if not parts.path.strip("/"):
        raise ValueError(f"names no database; {form}")
    return secret


FolderPath = Annotated[Path, AfterValidator(_folder)]
Url = Annotated[SecretStr, AfterValidator(_url)]


class Rule(BaseModel):
    """A data rule as the file writes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    sql: str = Field(min_length=1)
    expect: str


class EnvironmentSettings(BaseModel):
    """One environment. Sizes are bytes; the schedule is a local time of day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database_url: Url | None = None
    database_url_file: FolderPath | None = None
    time_zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    schedule: time = time(2, 30)
    size_floor: ByteSize = ByteSize(10_000)
    retention_days: int = Field(default=7, ge=1, le=3650)
    minimum_redundancy: int = Field(default=2, ge=1)
    full_seal_below: ByteSize = ByteSize(256_000_000)
    role_passwords: bool = False
    rules: tuple[Rule, ...] = ()

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def data_rules(self) -> tuple[DataRule, ...]:
        """The environment's own rules."""
        return tuple(DataRule(rule.name, rule.sql, rule.expect) for rule in self.rules)

    @property
    def url(self) -> str | None:
        """The database's URL, from the setting or from the file that holds it; None for the sample."""
        return _secret(self.database_url, self.database_url_file, "database_url_file")


class _Variables(PydanticBaseSettingsSource):
    """LEDGER_{DEV,TEST,PROD}_{FIELD}: the environments' own variables."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        found: dict[str, dict[str, str]] = {}
        for name, value in os.environ.items():
            match = _VARIABLE.fullmatch(name)
            if match and value and match[1] != "DAGSTER":
                found.setdefault(match[1].lower(), {})[match[2].lower()] = value
        return {"environments": found} if found else {}


class _File(PydanticBaseSettingsSource):
    """The settings file."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        file = config_file()
        try:
            return tomllib.loads(file.read_text())
        except FileNotFoundError:
            if "LEDGER_CONFIG" not in os.environ:
                return {}
            raise SettingsError(f"LEDGER_CONFIG: no file {file}.", hint="Name an existing file.") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"{file}: not TOML: {error}.", hint="Compare it with ledgerflow.example.toml."
            ) from None
        except OSError as error:
            raise SettingsError(f"{file}: {error.strerror}.", hint="Let its owner read it.") from None


class Settings(BaseSettings):
    """All settings. `environments` always holds all three."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="LEDGER_", env_ignore_empty=True, hide_input_in_errors=True
    )

    backup_root: FolderPath = Field(default=Path("~/iCloudLedger/backups"), validate_default=True)
    state_dir: FolderPath = Field(default=Path("~/.local/state/ledgerflow_ops"), validate_default=True)
    tools_dir: FolderPath | None = None
    dagster_database_url: Url | None = None
    dagster_database_url_file: FolderPath | None = None
    environments: dict[Environment, EnvironmentSettings] = Field(default_factory=dict, validate_default=True)

    @field_validator("environments", mode="before")
    @classmethod
    def _complete(cls, value: object) -> object:
        """Every environment with its own default retention, whether the file names it or not."""
        if not isinstance(value, Mapping):
            return value
        named = {str(name): entry for name, entry in value.items()}
        for environment, days in _RETENTION.items():
            entry = named.setdefault(environment, {})
            if isinstance(entry, dict):
                named[environment] = {"retention_days": days, **entry}
        return named

    @model_validator(mode="after")
    def _apart(self) -> "Settings":
        seen: dict[str, Environment] = {}
        for environment, entry in self.environments.items():
            url = entry.database_url.get_secret_value() if entry.database_url else None
            if url and url in seen:
                raise ValueError(f"environments {seen[url]} and {environment} have the same database_url")
            if url:
                seen[url] = environment
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _Variables(settings_cls), env_settings, _File(settings_cls)

    @property
    def dagster_url(self) -> str | None:
        """The URL of Dagster's storage; None for the embedded server."""
        return _secret(
            self.dagster_database_url, self.dagster_database_url_file, "dagster_database_url_file"
        )

    def folder(self, environment: Environment) -> Path:
        """Where this environment's backups are."""
        return self.backup_root / environment


def config_file() -> Path:
    """The settings file that applies."""
    return Path(os.environ.get("LEDGER_CONFIG") or PROJECT / "ledgerflow.toml").expanduser()


def load() -> Settings:
    """The settings as they are now; SettingsError that lists every mistake with its path."""
    try:
        return Settings()
    except ValidationError as error:
        listed = "\n  ".join(problems(error))
        raise SettingsError(
            f"The settings have {error.error_count()} mistake(s):\n  {listed}",
            hint=f"They come from {config_file().name} and LEDGER_* variables; "
            "ledgerflow.example.toml explains each.",
        ) from None


def unknown_variables() -> dict[str, str]:
    """LEDGER_* variables that mean nothing here, each with the nearest one that does (or '')."""
    known = {f"LEDGER_{name.upper()}" for name in Settings.model_fields} | _NOT_SETTINGS
    for environment in Environment:
        known |= {f"LEDGER_{environment.upper()}_{name.upper()}" for name in EnvironmentSettings.model_fields}
    unknown = [name for name in os.environ if name.startswith("LEDGER_") and name not in known]
    return {name: next(iter(difflib.get_close_matches(name, known, 1)), "") for name in sorted(unknown)}


def _secret(value: SecretStr | None, file: Path | None, path: str) -> str | None:
    """A secret from its setting or from the first line of its file."""
    if value:
        return value.get_secret_value()
    if file is None:
        return None
    try:
        return file.read_text().strip()
    except OSError as error:
        raise SettingsError(f"{path}: {file}: {error.strerror}.", hint="Name a readable file.") from None
