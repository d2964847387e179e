"""Calls a web address that counts on being called. The address is a secret and is never repeated."""

import http.client
import urllib.error
import urllib.request

_TIMEOUT = 10.0


def ping(url: str) -> str:
    """Call the address (http or https) once: why it did not answer well, or an empty string."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:  # noqa: S310 - the settings take no other
            return "" if answer.status < 300 else f"it answered {answer.status}"
    except urllib.error.HTTPError as error:
        error.close()
        return f"it answered {error.code}"
    except TimeoutError:
        return "it did not answer in time"
    except (OSError, ValueError, http.client.HTTPException) as error:  # the last may quote the address
        reason = getattr(error, "reason", None)
        return "it did not answer in time" if isinstance(reason, TimeoutError) else "it cannot be reached"
