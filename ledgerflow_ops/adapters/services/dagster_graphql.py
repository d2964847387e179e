"""Asks a web page's server on loopback to do something, by its GraphQL interface."""

import http.client
import json
import urllib.request
from typing import Any

_PATIENCE = 120.0
"""Seconds. A reload starts another process, which reads the settings and the folders."""
_RELOAD = """
mutation { reloadWorkspace { ... on Workspace { locationEntries {
  name locationOrLoadError { __typename }
} } } }
"""


def reload(address: str, location: str, secret: str) -> bool:
    """Have the server at `address` read the definitions of `location` anew, by its `secret`; whether it did.

    The whole workspace is reloaded: of a location that is reloaded alone, Dagster (1.13.27) leaves the old
    process at work until the garbage collector comes by, in a page that nobody looks at for good. This way
    the old ones end within two minutes.
    No error is raised: a server that does not answer, or may not, shows what it showed before.
    """
    entries = (_asked(address, _RELOAD, secret).get("reloadWorkspace") or {}).get("locationEntries") or ()
    found = {entry["name"]: (entry["locationOrLoadError"] or {}).get("__typename") for entry in entries}
    return found.get(location) == "RepositoryLocation"


def answers(address: str, secret: str = "") -> bool:
    """Whether a server of ours answers at `address`, and knows us by its `secret` where it has one."""
    try:
        with _opened(address, secret, None, timeout=5):
            return True
    except (OSError, http.client.HTTPException):
        return False


def _opened(address: str, secret: str, body: bytes | None, timeout: float) -> Any:
    """The answer to a request that is signed with the server's secret; an error's for a refusal."""
    headers = {"Content-Type": "application/json"} if body else {}
    if secret:
        headers["Authorization"] = f"Bearer {secret}"
    request = urllib.request.Request(address, body, headers)  # noqa: S310 - we noted the address ourselves
    loopback = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # whatever http_proxy says
    return loopback.open(request, timeout=timeout)


def _asked(address: str, query: str, secret: str) -> dict[str, Any]:
    """The data of the answer; empty when there is none."""
    try:
        with _opened(
            f"{address}/graphql", secret, json.dumps({"query": query}).encode(), _PATIENCE
        ) as answer:
            found = json.load(answer)
    except (OSError, ValueError, http.client.HTTPException):
        return {}
    return (found.get("data") or {}) if isinstance(found, dict) else {}
