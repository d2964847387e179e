"""The doctor's checks of settings that are valid and yet leave something unprotected or unproven."""

import re
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path

from ledgerflow_ops import places
from ledgerflow_ops.adapters.storage import age_keys
from ledgerflow_ops.config import Settings
from ledgerflow_ops.core.catalog.backup_keys import Opening
from ledgerflow_ops.core.checks import Check, passed, warned
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.durations import format_duration
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.core.hints import Hint, command, make
from ledgerflow_ops.operations import key_drill, key_record, keys
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext
from ledgerflow_ops.operations.history import history_files

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]+@|\bpassword\s*=\s*\S")
"""A password in a URL, or in libpq's keywords and values."""
_RECIPIENTS = Hint(make("keys", Environment.PROD, CREATE=1), " creates a key, and says what to set.")
_IDENTITIES = Hint(
    "Where backups are to be proven, set identity_file or identity_command: docs/encryption.md says how."
)


def secret_checks(settings: Settings) -> Iterator[Check]:
    """A warning for each file with a secret that other accounts of the machine may read or change."""
    files = dict.fromkeys(_secret_files(settings))
    exposed = [(file, mode) for file in files if (mode := _mode(file)) is not None and mode & _OTHERS]
    for file, mode in exposed:
        text = f"{file} holds a secret, and other accounts may read or change it: its mode is {mode:04o}."
        yield warned("secrets", str(file), text, Hint("Make it private: ", command("chmod", "600", file)))
    if files and not exposed:
        yield passed("secrets", f"{count_of(len(files), 'file')} with secrets, private to this account")


def location_checks(settings: Settings) -> Iterator[Check]:
    """A warning where scheduled backups have no second location."""
    if settings.all_locations or not any(env.is_scheduled for env in settings.environments.values()):
        return
    text = (
        f"No copy elsewhere: no archive location is set, so every backup is in {settings.backup_root} alone. "
        "If that disk is lost, so are the backups."
    )
    hint = Hint("Copy the folder to another disk or machine, and name that in ledgerflow.toml, such as ")
    yield warned("archive", "no copy", text, Hint(hint, 'archive_roots = ["/Volumes/Archive/ledgerflow"].'))


def rule_checks(env: EnvironmentContext) -> Iterator[Check]:
    """The number of data rules; a warning where prod has none."""
    name, rules = f"{env.environment} rules", env.rules
    if rules:
        yield passed(name, f"{count_of(len(rules), 'data rule')} asked of every restored copy")
    elif env.environment is Environment.PROD:
        text = (
            "No data rule is set. A proof then shows that a restored copy equals the source, and nothing "
            "about the books themselves."
        )
        hint = f"Write [[environments.{env.environment}.rules]] into ledgerflow.toml: docs/setup.md has one."
        yield warned(name, "no rules", text, Hint(hint))


def encryption_checks(env: EnvironmentContext) -> Iterator[Check]:
    """Who can read the backups; a warning where prod's are not encrypted, or no identity here opens them.

    LedgerError where the identity cannot be read, or others may read it.
    """
    name, recipients = f"{env.environment} encryption", env.settings.all_recipients
    if not recipients:
        if env.environment is Environment.PROD:
            text = "Backups of prod are not encrypted: whoever gets the disk, or a copy, reads the books."
            yield warned(name, "plain", text, _RECIPIENTS)
        return
    yield passed(name, f"new backups are encrypted for {count_of(len(recipients), 'recipient')}")
    if not env.identities:
        text = "No identity is set here: backups are taken, and proven no further than their hash."
        yield warned(name, "no identity", text, _IDENTITIES)
        return
    own = age_keys.recipients_of(env.identities.read())
    if own and not set(own) & set(recipients):
        text = "The identity that is set here opens none of the new backups: it is no recipient."
        yield warned(name, "wrong identity", text, Hint("Add it to recipients: ", " ".join(own)))
    if unopened := [item for item in keys.backup_keys(env) if item.opening is Opening.OTHER_KEY]:
        text = f"The identity here does not open {count_of(len(unopened), 'backup')}, as {unopened[0].file}."
        yield warned(name, "other key", text, Hint(make("keys", env.environment), " lists them."))


def escrow_checks(env: EnvironmentContext) -> Iterator[Check]:
    """Whether the backups of an encrypted environment survive the loss of this machine's key: a warning while
    no escrowed identity is set, or where the last key-survival drill is missing, too old, or failed."""
    settings, now = env.settings, env.ctx.clock()
    if not settings.all_recipients:
        return
    name, last = f"{env.environment} escrow", key_record.read_drill(env)
    again = Hint(make("keys", env.environment, DRILL=1))
    if (problem := key_drill.settings_problem(env)) and (
        settings.has_escrow or not last or last.overdue(now)
    ):
        yield warned(name, "no escrow", problem.message, Hint(problem.hint, " Then ", again))
        return
    if last is None or last.at is None:
        text = "No key-survival drill has run: nothing shows that the backups survive the loss of this key."
        yield warned(name, "no drill", text, again)
        return
    verdict, age = last.check(), format_duration(now - last.at)
    if not verdict.passed:
        text = f"The last key-survival drill, {age} ago, failed. {verdict.message}"
        yield warned(name, "failed", text, Hint(verdict.hint.within(env.environment), " Then ", again))
    elif last.overdue(now):
        yield warned(
            name, "overdue", f"The last key-survival drill was {age} ago. It is due every week.", again
        )
    else:
        yield passed(name, f"key-survival drill {age} ago. {verdict.message}")


def signing_key_checks(ctx: OperationContext) -> Iterator[Check]:
    """Where the key is that signs the history, and what must be kept elsewhere; a warning where it would lie
    beside the backups.

    SettingsError where others may read it, or it is not a key.
    """
    name = "signing key"
    try:
        file = history_files.key_file(ctx)
    except Refused as error:
        yield warned(name, "beside the backups", error.message, error.hint)
        return
    key = history_files.signing_key(ctx)
    if key is None:
        yield passed(name, f"there is none yet; the first backup creates {file}, private to this account")
        return
    text = (
        f"{file}, private to this account. Keep a copy of it away from this machine and from the backups: "
        f"without it the history ends with this disk. By the public key it can still be checked: {key.public}"
    )
    yield passed(name, text)


def _secret_files(settings: Settings) -> Iterator[Path]:
    """The files that settings name for secrets, and the settings file where a secret is in it."""
    named = [settings.dagster_database_url_file, settings.web_proxy_secret_file]
    named += [channel.url_file for channel in settings.alerts.channels]
    named += [location.credentials_file for location in settings.locations]
    for env in settings.environments.values():
        named += [env.database_url_file, env.admin_database_url_file, env.ping_url_file]
        named += [env.identity_file, env.escrow_identity_file]
    yield from filter(None, named)
    if _holds_a_secret(places.config_file()):
        yield places.config_file()


def _holds_a_secret(file: Path) -> bool:
    """Whether a value in the settings file has a password in it."""
    try:
        return bool(_PASSWORD.search("\n".join(_texts(tomllib.loads(file.read_text())))))
    except (OSError, ValueError):  # there is none, or it changed since the settings were read
        return False


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _mode(file: Path) -> int | None:
    """The permissions of a file, of its target if it is a link; None where that cannot be read."""
    try:
        return stat.S_IMODE(file.stat().st_mode)
    except OSError:
        return None
