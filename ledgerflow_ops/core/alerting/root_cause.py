"""The common cause of several findings, taken from their messages."""

import re

_SERVER = re.compile(
    r'connection to server (?:at "([^"]+)"(?: \([^)]*\))?, port (\d+)|on socket "([^"]+)") failed'
)
"""How libpq begins every message about a failed connection (PQconnectPoll in fe-connect.c)."""


def cause_of(message: str) -> str:
    """A sentence that names the server that cannot be reached; empty when the message is about something
    else.
    """
    match = _SERVER.search(message)
    if not match:
        return ""
    host, port, socket = match.groups()
    return f"The server {f'{host}:{port}' if host else socket} cannot be reached."
