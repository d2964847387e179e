"""A web page's secret and its one-time links, in files that no other account can read."""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ledgerflow_ops.adapters.system import private_files, regular_files
from ledgerflow_ops.core.access.request_policy import token_digest

_FOLDER = "servers"
GOOD_FOR = timedelta(minutes=15)
"""How long a link is valid."""


@dataclass(frozen=True, slots=True)
class WebSessions:
    """The secret and the links of one page. All sessions depend on the secret: `forget` ends them."""

    state_dir: Path
    page: str

    @property
    def file(self) -> Path:
        """The file with the secret."""
        return self.state_dir / _FOLDER / f"{self.page}.secret"

    @property
    def _links(self) -> Path:
        return self.state_dir / _FOLDER / f"{self.page}.links"

    def secret(self) -> str:
        """The page's secret, created if there is none."""
        if secret := regular_files.read_text(self.file).strip():
            return secret
        new_secret = secrets.token_urlsafe(32)
        private_files.make_private_folder(self.state_dir, _FOLDER)
        private_files.write_private(self.file, new_secret + "\n")
        return new_secret

    def link(self, now: datetime) -> str:
        """A new one-time token, valid for 15 minutes. Expired tokens are removed."""
        for file in self._links.glob("*"):
            if _expiry(file) < now.timestamp():
                file.unlink(missing_ok=True)
        token = secrets.token_urlsafe(32)
        private_files.make_private_folder(self.state_dir, _FOLDER, self._links.name)
        private_files.write_private(
            self._links / token_digest(token), json.dumps({"until": (now + GOOD_FOR).timestamp()})
        )
        return token

    def redeem(self, token: str, now: datetime) -> bool:
        """Use up a token; whether it was valid. Of several concurrent calls with one token, one succeeds."""
        file = self._links / token_digest(token)
        until = _expiry(file)
        try:
            file.unlink()
        except OSError:
            return False
        return until >= now.timestamp()

    def forget(self) -> None:
        """End all sessions and links."""
        for file in (self.file, *self._links.glob("*")):
            file.unlink(missing_ok=True)


def _expiry(file: Path) -> float:
    """When a link expires, in seconds since 1970 (UTC); 0 if that cannot be read."""
    try:
        return float(regular_files.read_json(file)["until"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0
