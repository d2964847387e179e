"""A web page's secret and the one-time links to it: files that no other account can read."""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ledgerflow_ops.adapters.system import private_files, regular_files
from ledgerflow_ops.core.access.request_policy import token_digest

_FOLDER = "servers"
GOOD_FOR = timedelta(minutes=15)
"""How long a link waits to be opened."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """Who gets in to one page. Ending what there is ends every session: `forget`."""

    state_dir: Path
    page: str

    @property
    def file(self) -> Path:
        """Where the secret is."""
        return self.state_dir / _FOLDER / f"{self.page}.secret"

    @property
    def _links(self) -> Path:
        return self.state_dir / _FOLDER / f"{self.page}.links"

    def secret(self) -> str:
        """The page's secret; made where there is none."""
        if found := regular_files.text(self.file).strip():
            return found
        made = secrets.token_urlsafe(32)
        private_files.folder(self.state_dir, _FOLDER)
        private_files.write(self.file, made + "\n")
        return made

    def link(self, now: datetime) -> str:
        """A token that gets its bearer in, once and soon. Those that are too old go."""
        for file in self._links.glob("*"):
            if _until(file) < now.timestamp():
                file.unlink(missing_ok=True)
        token = secrets.token_urlsafe(32)
        private_files.folder(self.state_dir, _FOLDER, self._links.name)
        private_files.write(
            self._links / token_digest(token), json.dumps({"until": (now + GOOD_FOR).timestamp()})
        )
        return token

    def redeemed(self, token: str, now: datetime) -> bool:
        """Whether the token is good; it is not any more. Of several who bring it at once, one gets in."""
        file = self._links / token_digest(token)
        until = _until(file)
        try:
            file.unlink()
        except OSError:
            return False
        return until >= now.timestamp()

    def forget(self) -> None:
        """End all sessions and links."""
        for file in (self.file, *self._links.glob("*")):
            file.unlink(missing_ok=True)


def _until(file: Path) -> float:
    """Until when a link is good, in seconds of the epoch; long ago when that cannot be read."""
    try:
        return float(regular_files.fields(file)["until"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0
