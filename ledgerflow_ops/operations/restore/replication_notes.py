"""What a restore changes for logical replication: no dump holds where a stream had come to."""

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
    """For the plan: the dump's subscriptions, and the slots of the live database `name` of that server."""
    found = [one.decode("utf-8", "replace") for one in _CREATED.findall(archive.ddl(tools, file))]
    if found:
        yield Reason(
            "subscriptions",
            f"Subscriptions come back disabled, without their place in the stream: {', '.join(found)}.",
            Hint(
                f"Decide how each goes on, then: ALTER SUBSCRIPTION {found[0]} ENABLE; What was sent after "
                "the backup is not sent again by the same slot."
            ),
        )
    with server.connect() as connection:
        slots = [slot for (slot,) in connection.execute(_SLOTS, [name])]
    if slots:
        yield Reason(
            "slots",
            f"Logical replication slots stay with the database that is put aside: {', '.join(slots)}.",
            Hint(
                "They keep WAL until it is discarded. Make them anew for the subscribers of the restored one."
            ),
        )
