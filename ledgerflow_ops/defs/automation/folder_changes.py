"""What has changed in an environment's folder since the last tick, and the runs that this asks for."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime

import dagster as dg

from ledgerflow_ops.adapters.storage.stored_file import Listing
from ledgerflow_ops.core.catalog.backup_summary import ListedDump
from ledgerflow_ops.core.catalog.naming import DUMP as DUMP_FILE
from ledgerflow_ops.core.catalog.naming import MANIFEST, PROOF
from ledgerflow_ops.defs.assets.partitions import backup_days
from ledgerflow_ops.defs.names import CATALOG_JOB, DUMP, asset_key, job_name
from ledgerflow_ops.defs.runs.run_context import RECHECK, WHY, day_and_instant
from ledgerflow_ops.operations.context import EnvironmentContext

_WATCHED = 60
"""The number of newest days whose dumps are watched for changes. The rolling drill reads the others."""


@dataclass(frozen=True, slots=True)
class FolderState:
    """An environment's folder as a tick has seen it, which the next one compares.

    `digest` changes with any dump, manifest or proof. `dumps` has size (bytes) and modification time (ns) of
    the newest dump of each watched day. `quarantine` is the digest of the quarantine's records, or "".
    """

    digest: str = ""
    dumps: dict[str, str] = field(default_factory=dict)
    quarantine: str = ""

    @classmethod
    def parse(cls, text: str) -> "FolderState":
        """The stored state; an empty one if there is none, or if another version wrote it."""
        try:
            stored = json.loads(text)
            return cls(str(stored["digest"]), dict(stored["dumps"]), str(stored.get("quarantine", "")))
        except (ValueError, KeyError, TypeError):
            return cls()

    def __str__(self) -> str:
        return json.dumps(asdict(self))


def read_folder(
    env: EnvironmentContext,
    instance: dg.DagsterInstance,
    listed: Sequence[ListedDump],
    before: FolderState,
) -> tuple[FolderState, list[dg.RunRequest]]:
    """The state now of the folder with these dumps, and the runs that its changes ask for. The quarantine in
    the state is that of `before`.

    `verify` for a day whose newest backup is bad though its partition is not red, or whose dump was changed;
    the catalog if anything was changed.
    """
    listing = env.store.listing()
    digest = listing.mark(sorted(listing.names(DUMP_FILE, MANIFEST, PROOF)))
    days = backup_days(env, [dump.summary for dump in listed if dump.summary])
    newest = dict(sorted(_newest_by_day(env, listed, days).items())[-_WATCHED:])
    dumps = {dump.name.dump: _stamp(listing, dump) for dump in newest.values()}
    changed = {day for day, dump in newest.items() if _is_changed(dump, dumps, before)}
    bad = {day for day, dump in newest.items() if dump.state == "bad"}
    requests = [
        _verify(env, day, newest[day], dumps)
        for day in sorted(changed | (bad - _red_days(env, instance, bad, days)))
        if newest[day].local
    ]
    if digest != before.digest and (listed or before.digest):
        requests.append(dg.RunRequest(f"catalog {env.environment} {digest}", job_name=CATALOG_JOB))
    return replace(before, digest=digest, dumps=dumps), requests


def _newest_by_day(
    env: EnvironmentContext, listed: Sequence[ListedDump], days: dg.PartitionsDefinition
) -> dict[date, ListedDump]:
    """The newest dump of each day that has a partition, as `run_context.newest_of_day` has it."""
    keys = set(days.get_partition_keys())
    dated = sorted(_dated(env, listed), key=lambda item: item[1])
    return {day: dump for day, _, dump in dated if day.isoformat() in keys}


def _dated(
    env: EnvironmentContext, listed: Sequence[ListedDump]
) -> Iterator[tuple[date, datetime, ListedDump]]:
    for dump in listed:
        if known := day_and_instant(env, dump):
            yield *known, dump


def _stamp(listing: Listing, dump: ListedDump) -> str:
    file = listing.files.get(dump.name.dump)
    return f"{file.size} {file.modified_ns}" if file else ""


def _is_changed(dump: ListedDump, now: dict[str, str], before: FolderState) -> bool:
    name = dump.name.dump
    return before.dumps.get(name, now[name]) != now[name]


def _red_days(
    env: EnvironmentContext, instance: dg.DagsterInstance, among: set[date], days: dg.PartitionsDefinition
) -> set[date]:
    """Those of the days whose partition of the dump is red."""
    if not among:
        return set()
    keys = [day.isoformat() for day in among]
    statuses = instance.get_status_by_partition(asset_key(env, DUMP), keys, days) or {}
    return {
        date.fromisoformat(key) for key, status in statuses.items() if status and status.value == "FAILED"
    }


def _verify(env: EnvironmentContext, day: date, dump: ListedDump, dumps: dict[str, str]) -> dg.RunRequest:
    name = dump.name.dump
    why = f"{name} is {dump.state}" if dump.state == "bad" else f"{name} was changed"
    return dg.RunRequest(
        f"verify {env.environment} {name} {dumps[name]} {dump.problem}",
        job_name=job_name(env, "verify"),
        tags={"dagster/partition": day.isoformat(), RECHECK: "yes", WHY: why},
    )
