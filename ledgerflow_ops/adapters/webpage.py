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


def reload(address: str, location: str) -> bool:
    """Have the server at `address` read the definitions of `location` anew; whether it did.

    The whole workspace is reloaded: of a location that is reloaded alone, Dagster (1.13.27) leaves the old
    process at work until the garbage collector comes by, in a page that nobody looks at for good. This way
    the old ones end within two minutes.
    No error is raised: a server that does not answer, or may not, shows what it showed before.
    """
    entries = (_asked(address, _RELOAD).get("reloadWorkspace") or {}).get("locationEntries") or ()
    found = {entry["name"]: (entry["locationOrLoadError"] or {}).get("__typename") for entry in entries}
    return found.get(location) == "RepositoryLocation"


def _asked(address: str, query: str) -> dict[str, Any]:
    """The data of the answer; empty when there is none."""
    body = json.dumps({"query": query}).encode()
    request = urllib.request.Request(  # noqa: S310 - an address we noted ourselves
        f"{address}/graphql", body, {"Content-Type": "application/json"}
    )
    loopback = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # whatever http_proxy says
    try:
        with loopback.open(request, timeout=_PATIENCE) as answer:
            found = json.load(answer)
    except (OSError, ValueError, http.client.HTTPException):
        return {}
    return (found.get("data") or {}) if isinstance(found, dict) else {}
