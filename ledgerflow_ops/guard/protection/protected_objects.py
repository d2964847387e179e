"""What the settings and our records protect on an engine, in addition to labels and mounts.

Read without the library that checks the settings, which takes longer than docker. A file that cannot be read
blocks nobody: what labels, mounts and our records protect stays protected.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ledgerflow_ops import places
from ledgerflow_ops.guard import audit_log
from ledgerflow_ops.guard.model import ConfiguredProtection

_BACKUP_ROOT = "~/iCloudLedger/backups"


def configured_protection(engine: str) -> ConfiguredProtection:
    """The settings' volumes and projects, the host's folders as written and resolved, our records."""
    settings, trouble = _settings()
    try:
        found = _protection(settings)
    except (TypeError, ValueError, AttributeError) as error:
        found, trouble = _protection({}), f"{places.config_file()}: {error}"
    state = _folder("state_dir", settings, places.STATE_DIR)
    known = audit_log.known_postgres_volumes(state, engine) if engine else {}
    return replace(found, remembered=known, trouble=trouble)


def state_dir() -> Path:
    """The state folder; the default one where the settings cannot be read."""
    return _folder("state_dir", _settings()[0], places.STATE_DIR)


def _settings() -> tuple[dict[str, Any], str]:
    """The content of the settings file, and what is wrong with it."""
    file = places.config_file()
    try:
        text = file.read_text(encoding="utf-8")
        if not text.strip():
            return {}, ""
        import tomllib  # slow to import

        return tomllib.loads(text), ""
    except FileNotFoundError:
        return {}, f"LEDGER_CONFIG: no file {file}" if os.environ.get("LEDGER_CONFIG") else ""
    except (OSError, ValueError) as error:
        return {}, f"{file}: {error}"


def _protection(settings: Mapping[str, Any]) -> ConfiguredProtection:
    guard = {**settings.get("guard", {}), **_json("guard", {})}
    archives = [*_json("archive_roots", settings.get("archive_roots", []))]
    for entry in _json("locations", settings.get("locations", [])):
        archives += [entry["url"]] if entry["kind"] == "folder" else []
    folders = [
        _folder("backup_root", settings, _BACKUP_ROOT),
        _folder("state_dir", settings, places.STATE_DIR),
        *(places.absolute_path(Path(text)) for text in archives),
    ]
    minutes, volumes = guard.get("fresh_minutes", 60), guard.get("volumes", ())
    if not isinstance(minutes, int) or not all(isinstance(name, str) for name in volumes):
        raise ValueError("[guard] holds a value of the wrong kind")
    environments = dict(settings.get("environments", {})).items()
    return ConfiguredProtection(
        frozenset(volumes),
        {entry["compose"]["project"]: name for name, entry in environments if "compose" in entry},
        tuple(dict.fromkeys(text for folder in folders for text in (str(folder), os.path.realpath(folder)))),
        every_postgres=guard.get("protect_every_postgres") is True,
        fresh_minutes=minutes,
    )


def _folder(name: str, settings: Mapping[str, Any], default: str) -> Path:
    given = os.environ.get(f"LEDGER_{name.upper()}") or settings.get(name)
    return places.absolute_path(Path(given if isinstance(given, str) and given else default))


def _json(name: str, default: Any) -> Any:
    """What the setting's variable holds in JSON."""
    import json

    given = os.environ.get(f"LEDGER_{name.upper()}")
    return json.loads(given) if given else default
