"""Since when an environment's schedule is watched: nothing that was due before that is late."""

from datetime import datetime

from ledgerflow_ops.adapters.storage import cache
from ledgerflow_ops.core.catalog.manifest import decode_sealed, encode_sealed
from ledgerflow_ops.core.errors import BadBackup
from ledgerflow_ops.operations.context import EnvironmentContext


def watched_since(env: EnvironmentContext) -> datetime | None:
    """When the schedule was first watched (aware), recorded in the state folder (`watch/ENV.since.json`).

    None where that was before there was such a record, or where it cannot be read: then all counts. A record
    that a clock which was ahead has written begins anew.
    """
    state, now = env.ctx.settings.state_dir, env.ctx.clock()
    file = state / "watch" / f"{env.environment}.since.json"
    data = cache.load(file)
    if data is not None:
        try:
            since = datetime.fromisoformat(decode_sealed(data, file.name)["since"])
        except (BadBackup, KeyError, TypeError, ValueError):
            return None
        if since <= now:
            return since
    elif (state / "heartbeats" / env.environment).exists():
        return None
    return now if cache.save(file, encode_sealed({"since": now.isoformat()})) else None
