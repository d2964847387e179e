"""The root causes of findings. Findings that share one are one incident, whoever found them.

A cause is a key: text that is equal for all findings of the cause, across checks, sources and environments.
It is computed from a finding each time and stored nowhere, so records of earlier versions are grouped by the
same rules.
"""

import re
from collections.abc import Iterator, Sequence

from ledgerflow_ops.core.alerting.findings import Finding, Level

BACKUP_FILE, DAY, BACKFILL = "backup", "day", "backfill"
"""Figures of findings: the file of the backup that is meant, its day, and the id of a backfill."""
HISTORY = "history"
"""The kind of findings about a history that the backups contradict, and the cause of a check that failed."""
KEYS = "keys"
"""The kind of findings of the key-survival drill, and the cause of its check where that failed."""
EXPOSED = "exposed"
"""The class of the keys of folders that other accounts may read or change."""

_SERVER = re.compile(
    r'connection to server (?:at "([^"]+)"(?: \([^)]*\))?, port (\d+)|on socket "([^"]+)") failed:?\s*'
    r"(FATAL:(?! *(?:the database system is|sorry, too many clients)))?"
)
"""How libpq begins every message about a failed connection (PQconnectPoll in fe-connect.c). A FATAL is an
answer: the server is there, unless it is starting or stopping, or is full."""
_CONTAINER = re.compile(r"The container of (.+?) is not running\.")
"""The message of `adapters.services.container` about a stopped container."""
_FILE = re.compile(r"([\w.+-]+\.dump(?:\.age)?) is bad:")
_SIDECAR = re.compile(r"\.((dump|files\.tar\.zst|globals\.sql)(\.age)?|manifest\.json|proof\.json)$")
_EXPOSED = re.compile(
    r"(/.*?, the root of all backups, is readable by group or others"
    r"|group or others may replace what is in /[^;]*?)(?:;|\.?$)"
)
"""The sentences of `adapters.storage.folder.exposed_parents`."""
_OF_A_FILE = ("bad", "changed", "removed", "unjudged")
_OF_A_RUN = ("check failed", "run failed")


def server_key(host: str, port: str = "5432") -> str:
    """The key of the cause that a server cannot be reached; `host` may be the folder of its socket."""
    return f"server {host}/.s.PGSQL.{port}" if host.startswith("/") else f"server {host}:{port}"


def cause_of(message: str) -> str:
    """A sentence that names the server that cannot be reached; empty when the message is about something
    else.
    """
    return next((f"The server {server} cannot be reached." for server in _servers(message)), "")


def cause_keys(finding: Finding) -> tuple[str, ...]:
    """The keys of a finding's causes, the most telling first; none for a finding that stands alone."""
    keys = [f"server {server}" for server in _servers(f"{finding.cause} {finding.message}")]
    keys += [f"{EXPOSED}: {sentence}" for sentence in _exposures(finding)]
    if backfill := finding.figures.get(BACKFILL):
        keys.append(f"backfill {backfill}")
    if file := _bad_file(finding):
        keys.append(f"backup {finding.environment} {file}")
    if HISTORY in (finding.kind, finding.figures.get("cause")):
        keys.append(f"{HISTORY} {finding.environment}")
    if KEYS in (finding.kind, finding.figures.get("cause")):
        keys.append(f"{KEYS} {finding.environment}")
    if finding.kind == "unrestorable" or finding.figures.get("cause") == "source":
        keys.append(f"source {finding.environment}")
    return (*keys, finding.cause) if finding.cause else tuple(keys)


def is_of_machine(finding: Finding) -> bool:
    """Whether its cause is a server or a folder that several environments may use."""
    return any(key.startswith(("server ", f"{EXPOSED}: ")) for key in cause_keys(finding))


def cause_title(findings: Sequence[Finding]) -> str:
    """What the findings of one incident have in common, as a sentence."""
    keys = [key for finding in findings for key in cause_keys(finding)]
    for key in keys:
        if key.startswith("server "):
            return f"The server {key.removeprefix('server ')} cannot be reached."
        if key.startswith(f"{EXPOSED}: "):
            return f"{_capitalized(key.removeprefix(f'{EXPOSED}: '))}."
        if key.startswith(f"{HISTORY} "):
            return f"What is there of {key.removeprefix(f'{HISTORY} ')}'s backups contradicts their history."
        if key.startswith("backfill "):
            return f"A backfill was refused: {_days(findings)}."
    files = {key.split(" ", 2)[2] for key in keys if key.startswith("backup ")}
    if len(files) == 1 and any(finding.kind == "bad" or finding.kind in _OF_A_RUN for finding in findings):
        return f"{files.pop()} is bad."
    return findings[0].cause or findings[0].message


def _servers(text: str) -> Iterator[str]:
    for host, port, socket, answer in _SERVER.findall(text):
        if not answer:
            yield f"{host}:{port}" if host else socket
    yield from (f"in the container of {label}" for label in _CONTAINER.findall(text))


def _exposures(finding: Finding) -> list[str]:
    """The sentences about folders above an environment's own, which are the same for all environments."""
    if finding.kind != "check failed" or "permissions" not in finding.subject:
        return []
    return _EXPOSED.findall(finding.message.partition(" failed: ")[2])


def _bad_file(finding: Finding) -> str:
    """The backup whose file the finding is about; empty where it is about no single file."""
    if finding.kind in _OF_A_FILE:
        return _SIDECAR.sub(".dump", finding.subject)
    stated = _SIDECAR.sub(".dump", str(finding.figures.get(BACKUP_FILE, "")))
    if finding.kind in _OF_A_RUN and finding.level is Level.CRITICAL:
        match = _FILE.search(finding.message)
        return stated or (_SIDECAR.sub(".dump", match[1]) if match else "")
    return stated if finding.kind in ("rpo", HISTORY) else ""


def _days(findings: Sequence[Finding]) -> str:
    days = sorted({str(finding.figures[DAY]) for finding in findings if finding.figures.get(DAY)})
    return ", ".join(days) if len(days) <= 5 else f"{len(days)} days from {days[0]} to {days[-1]}"


def _capitalized(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
