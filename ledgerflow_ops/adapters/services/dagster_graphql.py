"""Calls the GraphQL interface of Dagster's web server on loopback."""

import http.client
import json
import urllib.request
from typing import Any

_PATIENCE = 120.0
"""Seconds. A reload starts another process, which reads the settings and the backup folders."""
_RELOAD = """
mutation { reloadWorkspace { ... on Workspace { locationEntries {
  name locationOrLoadError { __typename }
} } } }
"""


def reload_workspace(address: str, location: str, secret: str) -> bool:
    """Make the server at `address` reload the definitions of `location`, authorized by its `secret`.

    Returns whether it has reloaded them; no error is raised. The whole workspace is reloaded: if only one
    location is reloaded, Dagster (1.13.27) keeps the old process until the garbage collector runs, which may
    never happen while nobody uses the page. After a reload of the workspace the old processes end within two
    minutes.
    """
    entries = (_query(address, _RELOAD, secret).get("reloadWorkspace") or {}).get("locationEntries") or ()
    types = {entry["name"]: (entry["locationOrLoadError"] or {}).get("__typename") for entry in entries}
    return types.get(location) == "RepositoryLocation"


def is_answering(address: str, secret: str = "") -> bool:
    """Whether a server answers at `address` and accepts our `secret`, if it has one."""
    try:
        with _open_request(address, secret, None, timeout=5):
            return True
    except (OSError, http.client.HTTPException):
        return False


def _open_request(address: str, secret: str, body: bytes | None, timeout: float) -> Any:
    """The response to a request with the server's secret; urllib's HTTPError for a refusal."""
    headers = {"Content-Type": "application/json"} if body else {}
    if secret:
        headers["Authorization"] = f"Bearer {secret}"
    request = urllib.request.Request(address, body, headers)  # noqa: S310 - an address that we wrote ourselves
    loopback = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # http_proxy is ignored
    return loopback.open(request, timeout=timeout)


def _query(address: str, query: str, secret: str) -> dict[str, Any]:
    """The data of the response; empty if there is none."""
    try:
        with _open_request(
            f"{address}/graphql", secret, json.dumps({"query": query}).encode(), _PATIENCE
        ) as answer:
            content = json.load(answer)
    except (OSError, ValueError, http.client.HTTPException):
        return {}
    return (content.get("data") or {}) if isinstance(content, dict) else {}
