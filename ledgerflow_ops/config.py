"""Files and LEDGER_* variables → one typed, frozen object.

A value is taken from the first place that has it: the environment variable, `ledgerflow.toml` (or the
file that LEDGER_CONFIG names), the default. Every mistake is reported at once, with its path.
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
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import SettingsError
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.places import STATE_DIR, config_file
from ledgerflow_ops.sections import AlertSettings, EnvironmentSettings, GuardSettings, secret
from ledgerflow_ops.values import FolderPath, Url, WebOrigin

_RETENTION = {Environment.DEV: 7, Environment.TEST: 3, Environment.PROD: 30}
_NOT_SETTINGS = {"LEDGER_ENV", "LEDGER_CONFIG"}
_VARIABLE = re.compile(r"LEDGER_(DEV|TEST|PROD|[A-Z0-9_]+(?=_DATABASE_URL))_([A-Z_]+)")
"""An environment's variable. A database's URL for anything that is not an environment is one as well:
it is a misspelt target, and is reported instead of being passed over."""


def _variables() -> dict[str, Any]:
    """LEDGER_{DEV,TEST,PROD}_{FIELD}: the environments' own variables."""
    found: dict[str, dict[str, str]] = {}
    for name, value in os.environ.items():
        match = _VARIABLE.fullmatch(name)
        if match and value and match[1] != "DAGSTER":
            found.setdefault(match[1].lower(), {})[match[2].lower()] = value
    return {"environments": found} if found else {}


def _file() -> dict[str, Any]:
    """The settings file."""
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
        raise SettingsError(f"{file}: {error.strerror}.", hint=Hint("Let its owner read it.")) from None


class Settings(BaseSettings):
    """All settings. `environments` always holds all three."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="LEDGER_", env_ignore_empty=True, hide_input_in_errors=True
    )

    backup_root: FolderPath = Field(default=Path("~/iCloudLedger/backups"), validate_default=True)
    state_dir: FolderPath = Field(default=Path(STATE_DIR), validate_default=True)
    archive_roots: tuple[FolderPath, ...] = ()
    tools_dir: FolderPath | None = None
    drill_in_memory_below: ByteSize = ByteSize(128_000_000)
    dagster_history_days: int = Field(default=90, ge=7)
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
        """Every environment with its own default retention, whether the file names it or not."""
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
        seen: dict[str, Environment] = {}
        held: dict[tuple[str, str], Environment] = {}
        for environment, entry in value.items():
            if entry.compose:
                place = entry.compose.project, entry.compose.service
                if place in held:
                    raise ValueError(
                        f"{held[place]} and {environment} have the same container, {'/'.join(place)}"
                    )
                held[place] = environment
            url = (entry.url or "").partition("://")[2]  # however the scheme is spelt
            if url and url in seen:
                raise ValueError(f"{seen[url]} and {environment} have the same database URL")
            seen[url] = environment
        return value

    @model_validator(mode="after")
    def _known_url(self) -> "Settings":
        self._dagster_url = secret(
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
        """Nothing is listed twice, not by two environments either: each would restore the other's files."""
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

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's own kinds of files
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Where values come from, first wins."""
        variables = InitSettingsSource(settings_cls, _variables())
        return init_settings, variables, env_settings, InitSettingsSource(settings_cls, _file())

    @property
    def dagster_url(self) -> str | None:
        """The URL of Dagster's storage; None for the embedded server."""
        return self._dagster_url.get_secret_value() if self._dagster_url else None

    def folder(self, environment: Environment) -> Path:
        """Where this environment's backups are."""
        return self.backup_root / environment


def load() -> Settings:
    """The settings as they are now; SettingsError that lists every mistake with its path."""
    try:
        return Settings()
    except ValidationError as error:
        listed = "\n  ".join(map(_meant, validation_problems(error)))
        raise SettingsError(
            f"The settings have {error.error_count()} mistake(s):\n  {listed}",
            hint=Hint(
                f"They come from {config_file().name} and LEDGER_* variables; "
                "ledgerflow.example.toml explains each."
            ),
        ) from None
    except Unreadable as error:  # names the setting, not its value
        raise SettingsError(
            f"Variables: {error}.", hint=Hint("Tables belong into ledgerflow.toml.")
        ) from None


def _meant(problem: str) -> str:
    """A problem; where a setting is not known, in our words and with the name that comes nearest."""
    place, _, told = problem.partition(": ")
    if told != "Extra inputs are not permitted":
        return problem
    known = {*Settings.model_fields, *EnvironmentSettings.model_fields, *AlertSettings.model_fields}
    nearest = difflib.get_close_matches(place.rpartition(".")[2], known, 1)
    return f"{place}: there is no such setting" + (f"; did you mean {nearest[0]}?" if nearest else "")


def unknown_variables() -> dict[str, str]:
    """LEDGER_* variables that mean nothing here, each with the nearest one that does (or '')."""
    known = {f"LEDGER_{name.upper()}" for name in Settings.model_fields} | _NOT_SETTINGS
    for environment in Environment:
        known |= {f"LEDGER_{environment.upper()}_{name.upper()}" for name in EnvironmentSettings.model_fields}
    unknown = [name for name in os.environ if name.startswith("LEDGER_") and name not in known]
    return {name: next(iter(difflib.get_close_matches(name, known, 1)), "") for name in sorted(unknown)}


def _overlap(one: Path, other: Path) -> bool:
    """Whether one lies in the other or is it, as they are written or as links lead them."""
    pairs = ((one, other), (real(one), real(other)))
    return any(a.is_relative_to(b) or b.is_relative_to(a) for a, b in pairs)


def real(path: Path) -> Path:
    """The path without links, as far as they can be followed."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # links that lead in a circle, or where we may not look
        return path


def _without_rivals(found: dict[str, Any]) -> dict[str, Any]:
    """The file's settings without the secrets that a variable gives in their other form.

    LEDGER_DEV_DATABASE_URL_FILE takes the place of the file's database_url as well, not only of its
    database_url_file; and the other way round.
    """
    tables = [("LEDGER_DAGSTER", "dagster_", found)]
    environments = found.get("environments")
    if isinstance(environments, dict):
        tables += [(f"LEDGER_{name.upper()}", "", table) for name, table in environments.items()]
    for variable, prefix, table in tables:
        for given, rival in (("database_url", "database_url_file"), ("database_url_file", "database_url")):
            if os.environ.get(f"{variable}_{given.upper()}") and isinstance(table, dict):
                table.pop(prefix + rival, None)
    return found
