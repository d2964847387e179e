"""What several findings have in common, read off what they say."""

import re

_SERVER = re.compile(
    r'connection to server (?:at "([^"]+)"(?: \([^)]*\))?, port (\d+)|on socket "([^"]+)") failed'
)
"""How libpq begins, whatever goes wrong on the way to a server."""


def cause_of(message: str) -> str:
    """The server that cannot be reached, as a sentence; empty when the message is about nothing like it."""
    match = _SERVER.search(message)
    if not match:
        return ""
    host, port, socket = match.groups()
    return f"The server {f'{host}:{port}' if host else socket} cannot be reached."
