"""A pin: why a backup must stay, whatever a rotation would decide."""

from datetime import datetime
from typing import Any

from pydantic import ValidationError

from ledgerflow_ops.core.errors import BadBackup
from ledgerflow_ops.core.manifest import decode_sealed, encode_sealed, problems
from ledgerflow_ops.core.record import Record


class Pin(Record):
    """Who keeps a backup, since when, why, and until when (None: until it is taken away)."""

    file: str
    reason: str
    who: str
    since: datetime
    until: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it still keeps the backup at `now`."""
        return self.until is None or now < self.until

    def encode(self) -> bytes:
        fields: dict[str, Any] = self.model_dump(mode="json")
        return encode_sealed(fields)

    @classmethod
    def decode(cls, data: bytes, file: str) -> "Pin":
        """The pin in `data`; BadBackup when it was edited or cut."""
        try:
            return cls.model_validate(decode_sealed(data, file))
        except ValidationError as error:
            raise BadBackup(
                f"{file}: not a pin that this version can read: {'; '.join(problems(error))}",
                hint="Set it again, or remove the file if the backup need not stay.",
            ) from None
