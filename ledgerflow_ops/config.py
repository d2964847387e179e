"""Reads the settings file and LEDGER_* variables into one typed, frozen object.

A value comes from the first source that has it: the environment variable, `ledgerflow.toml` (or the file that
LEDGER_CONFIG names), the default. All mistakes are reported together, each with its path.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import (
    ByteSize,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings.exceptions import SettingsError as Unreadable

from ledgerflow_ops.core.catalog.manifest import validation_problems
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import SettingsError
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.location_settings import Location, folder_locations, locations_apart
from ledgerflow_ops.places import STATE_DIR, config_file
from ledgerflow_ops.sections import AlertSettings, EnvironmentSettings, GuardSettings, read_secret
from ledgerflow_ops.values import FolderPath, PublicKey, Url, WebOrigin

_RETENTION = {Environment.DEV: 7, Environment.TEST: 3, Environment.PROD: 30}
_NOT_SETTINGS = {"LEDGER_ENV", "LEDGER_CONFIG"}
_VARIABLE = re.compile(r"LEDGER_(DEV|TEST|PROD|[A-Z0-9_]+(?=_DATABASE_URL))_([A-Z_]+)")
"""An environment's variable. LEDGER_…_DATABASE_URL with any other name also matches: it is a misspelt
environment, which must be reported and not ignored."""


def _variables() -> dict[str, Any]:
    """The settings from the environments' own variables, LEDGER_{DEV,TEST,PROD}_{FIELD}."""
    environments: dict[str, dict[str, str]] = {}
    for name, value in os.environ.items():
        match = _VARIABLE.fullmatch(name)
        if match and value and match[1] != "DAGSTER":
            environments.setdefault(match[1].lower(), {})[match[2].lower()] = value
    return {"environments": environments} if environments else {}


def _file() -> dict[str, Any]:
    """The content of the settings file; empty if there is none. SettingsError if it cannot be read."""
    file = config_file()
    try:
        return _without_rivals(tomllib.loads(file.read_text()))
    except FileNotFoundError:
        if not os.environ.get("LEDGER_CONFIG"):
            return {}
        raise SettingsError(f"LEDGER_CONFIG: no file {file}.", hint=Hint("Name an existing file.")) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{file}: not TOML: {error}.", hint=Hint("Compare it with ledgerflow.example.toml.")
        ) from None
    except OSError as error:
        raise SettingsError(
            f"{file}: {error.strerror}.", hint=Hint("Make it readable for this account.")
        ) from None


class Settings(BaseSettings):
    """All settings. `environments` always holds dev, test and prod. Sizes are bytes."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="LEDGER_", env_ignore_empty=True, hide_input_in_errors=True
    )

    backup_root: FolderPath = Field(default=Path("~/iCloudLedger/backups"), validate_default=True)
    state_dir: FolderPath = Field(default=Path(STATE_DIR), validate_default=True)
    archive_roots: tuple[FolderPath, ...] = ()
    locations: tuple[Location, ...] = ()
    tools_dir: FolderPath | None = None
    drill_in_memory_below: ByteSize = ByteSize(128_000_000)
    dagster_history_days: int = Field(default=90, ge=7)
    history_keys: tuple[PublicKey, ...] = ()
    web_port: int | None = Field(default=None, ge=1024, le=65535)
    viewers_port: int | None = Field(default=None, ge=1024, le=65535)
    web_addresses: tuple[WebOrigin, ...] = ()
    web_proxy_secret_file: FolderPath | None = None
    guard: GuardSettings = Field(default_factory=GuardSettings)
    alerts: AlertSettings = Field(default_factory=AlertSettings)
    dagster_database_url: Url | None = None
    dagster_database_url_file: FolderPath | None = None
    environments: dict[Environment, EnvironmentSettings] = Field(default_factory=dict, validate_default=True)
    _dagster_url: SecretStr | None = PrivateAttr(None)

    @field_validator("environments", mode="before")
    @classmethod
    def _complete(cls, value: object) -> object:
        """Adds missing environments, and each environment's own default of retention_days."""
        if not isinstance(value, Mapping):
            return value
        named = {str(name): entry for name, entry in value.items()}
        for environment, days in _RETENTION.items():
            entry = named.setdefault(environment, {})
            if isinstance(entry, dict):
                named[environment] = {"retention_days": days, **entry}
        return named

    @field_validator("environments")
    @classmethod
    def _apart(cls, value: dict[Environment, EnvironmentSettings]) -> dict[Environment, EnvironmentSettings]:
        urls: dict[str, Environment] = {}
        services: dict[tuple[str, str], Environment] = {}
        for environment, entry in value.items():
            if entry.compose:
                place = entry.compose.project, entry.compose.service
                if place in services:
                    raise ValueError(
                        f"{services[place]} and {environment} have the same container, {'/'.join(place)}"
                    )
                services[place] = environment
            url = (entry.url or "").partition("://")[2]  # postgres:// and postgresql:// are the same
            if url and url in urls:
                raise ValueError(f"{urls[url]} and {environment} have the same database URL")
            urls[url] = environment
        return value

    @model_validator(mode="after")
    def _known_url(self) -> "Settings":
        self._dagster_url = read_secret(
            self.dagster_database_url, self.dagster_database_url_file, "dagster_database_url"
        )
        return self

    @model_validator(mode="after")
    def _ports_apart(self) -> "Settings":
        if self.viewers_port and self.viewers_port == self.web_port:
            raise ValueError(f"web_port and viewers_port are both {self.web_port}")
        return self

    @model_validator(mode="after")
    def _files_apart(self) -> "Settings":
        """No path is listed twice, also not by two environments: each would restore the other's files."""
        ours = [("backup_root", self.backup_root), ("state_dir", self.state_dir)]
        seen: list[tuple[str, Path]] = []
        for environment, entry in self.environments.items():
            for path in entry.files:
                for name, other in (*ours, *seen):
                    if _overlap(path, other):
                        raise ValueError(
                            f"environments.{environment}.files: {path} and {name} ({other}) "
                            "are the same, or one lies in the other"
                        )
                seen.append((f"environments.{environment}.files", path))
        return self

    @model_validator(mode="after")
    def _locations_apart(self) -> "Settings":
        locations_apart(self.all_locations)
        for location in self.locations:
            if location.folder and _overlap(location.folder, self.backup_root):
                raise ValueError(
                    f"locations: {location.name} ({location.folder}) and backup_root are the same, "
                    "or one lies in the other"
                )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's own kinds of files
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The sources of values, in order of precedence."""
        variables = InitSettingsSource(settings_cls, _variables())
        return init_settings, variables, env_settings, InitSettingsSource(settings_cls, _file())

    @property
    def dagster_url(self) -> str | None:
        """The URL of Dagster's storage; None for the embedded PostgreSQL."""
        return self._dagster_url.get_secret_value() if self._dagster_url else None

    @property
    def all_locations(self) -> tuple[Location, ...]:
        """Every archive location: the folders of `archive_roots`, then those of `locations`."""
        return folder_locations(self.archive_roots) + self.locations

    @property
    def archive_folders(self) -> tuple[Path, ...]:
        """The folders of all archive locations that are folders."""
        return tuple(location.folder for location in self.all_locations if location.folder)

    def locations_of(self, environment: Environment) -> tuple[Location, ...]:
        """The archive locations of one environment."""
        return tuple(location for location in self.all_locations if environment in location.environments)

    def folder(self, environment: Environment) -> Path:
        """The folder of this environment's backups."""
        return self.backup_root / environment


def load() -> Settings:
    """Read the settings; SettingsError (exit code 2) that lists every mistake with its path."""
    try:
        return Settings()
    except ValidationError as error:
        listed = "\n  ".join(map(_with_suggestion, validation_problems(error)))
        raise SettingsError(
            f"The settings have {count_of(error.error_count(), 'mistake')}:\n  {listed}",
            hint=Hint(
                f"They come from {config_file().name} and LEDGER_* variables; "
                "ledgerflow.example.toml explains each."
            ),
        ) from None
    except Unreadable as error:  # its message names the setting, not the value
        raise SettingsError(f"Variables: {error}.", hint=Hint("Write tables in ledgerflow.toml.")) from None


def _with_suggestion(problem: str) -> str:
    """The problem; for an unknown setting, a message of ours with the most similar name."""
    place, _, message = problem.partition(": ")
    if message != "Extra inputs are not permitted":
        return problem
    tables = (Settings, EnvironmentSettings, AlertSettings, Location)
    known = {name for table in tables for name in table.model_fields}
    nearest = difflib.get_close_matches(place.rpartition(".")[2], known, 1)
    return f"{place}: there is no such setting" + (f"; did you mean {nearest[0]}?" if nearest else "")


def unknown_variables() -> dict[str, str]:
    """The LEDGER_* variables that are not settings, each with the most similar one that is, or ''."""
    known = {f"LEDGER_{name.upper()}" for name in Settings.model_fields} | _NOT_SETTINGS
    for environment in Environment:
        known |= {f"LEDGER_{environment.upper()}_{name.upper()}" for name in EnvironmentSettings.model_fields}
    unknown = [name for name in os.environ if name.startswith("LEDGER_") and name not in known]
    return {name: next(iter(difflib.get_close_matches(name, known, 1)), "") for name in sorted(unknown)}


def _overlap(first: Path, second: Path) -> bool:
    """Whether the paths are equal or one contains the other, as written or with links resolved."""
    pairs = ((first, second), (resolved_path(first), resolved_path(second)))
    return any(a.is_relative_to(b) or b.is_relative_to(a) for a, b in pairs)


def resolved_path(path: Path) -> Path:
    """The path with links resolved; the path itself if they cannot be followed."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # a loop of links, or no permission
        return path


def _without_rivals(settings: dict[str, Any]) -> dict[str, Any]:
    """The file's settings without the secrets that a variable overrides in their other form.

    LEDGER_DEV_DATABASE_URL_FILE overrides not only the file's database_url_file but also its database_url,
    and the other way round.
    """
    tables = [("LEDGER_DAGSTER", "dagster_", settings)]
    environments = settings.get("environments")
    if isinstance(environments, dict):
        tables += [(f"LEDGER_{name.upper()}", "", table) for name, table in environments.items()]
    for variable, prefix, table in tables:
        for given, rival in (("database_url", "database_url_file"), ("database_url_file", "database_url")):
            if os.environ.get(f"{variable}_{given.upper()}") and isinstance(table, dict):
                table.pop(prefix + rival, None)
    return settings
