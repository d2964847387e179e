"""Pings the URL of a heartbeat monitor. The URL is a secret and is never in a message."""

import http.client
import urllib.error
import urllib.request

_TIMEOUT = 10.0


def ping(url: str) -> str:
    """Request the URL (http or https) once; returns why that failed, or an empty string."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:  # noqa: S310 - the settings accept only http and https
            return "" if answer.status < 300 else f"it answered {answer.status}"
    except urllib.error.HTTPError as error:
        error.close()
        return f"it answered {error.code}"
    except TimeoutError:
        return "it did not answer in time"
    except (OSError, ValueError, http.client.HTTPException) as error:  # HTTPException may quote the URL
        reason = getattr(error, "reason", None)
        return "it did not answer in time" if isinstance(reason, TimeoutError) else "it cannot be reached"
