"""What a restore changes for logical replication: a dump does not hold the position of a stream."""

import re
from collections.abc import Iterator
from pathlib import Path

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.dump import archive
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.restore.compatibility import Reason

_CREATED = re.compile(rb'^CREATE SUBSCRIPTION ((?:"(?:[^"]|"")+"|\S+)) CONNECTION ', re.MULTILINE)
_SLOTS = "SELECT slot_name::text FROM pg_replication_slots WHERE database = %s ORDER BY 1"


def replication_notes(tools: Tools, file: Path, server: Database, name: str) -> Iterator[Reason]:
    """Notes for the plan: the dump's subscriptions, and the slots of the live database `name`."""
    subscriptions = [
        subscription.decode("utf-8", "replace")
        for subscription in _CREATED.findall(archive.read_ddl(tools, file))
    ]
    if subscriptions:
        yield Reason(
            "subscriptions",
            f"Subscriptions come back disabled, without their position in the stream: "
            f"{', '.join(subscriptions)}.",
            Hint(
                f"Decide how each continues, then: ALTER SUBSCRIPTION {subscriptions[0]} ENABLE; The same "
                "slot does not send again what it sent after the backup."
            ),
        )
    with server.connect() as connection:
        slots = [slot for (slot,) in connection.execute(_SLOTS, [name])]
    if slots:
        yield Reason(
            "slots",
            f"Logical replication slots stay with the database that is kept aside: {', '.join(slots)}.",
            Hint(
                "They retain WAL until it is discarded. Create them again for the restored one's subscribers."
            ),
        )
