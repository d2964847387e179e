"""Restores again, night after night, the backups whose proof is oldest."""

from collections.abc import Iterator
from dataclasses import dataclass

from ledgerflow_ops.adapters.clock import Stopwatch
from ledgerflow_ops.core import rolling
from ledgerflow_ops.core.catalog import Entry
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.naming import BackupName
from ledgerflow_ops.core.rolling import Kept, Reach, Turn
from ledgerflow_ops.operations import catalog, drill
from ledgerflow_ops.operations.desk import Site
from ledgerflow_ops.operations.examination import Examination


@dataclass(frozen=True, slots=True)
class Redrilled:
    """A turn that was taken: what was found, or (`trouble`) why nothing could be."""

    turn: Turn
    seconds: float
    examination: Examination | None
    trouble: LedgerError | None = None


def kept(site: Site) -> list[Kept]:
    """The environment's backups as the rolling drill sees them; what no manifest commits is none."""
    return [_kept(entry) for entry in catalog.entries(site) if entry.manifest]


def reach(site: Site) -> Reach:
    """How far the rolling drill has come in this environment, and how far its budget reaches."""
    settings = site.settings
    return rolling.reach(kept(site), site.desk.clock(), settings.redrill_days, settings.redrill_minutes)


def tonight(site: Site) -> list[Turn]:
    """Whose turn it would be now."""
    settings = site.settings
    return rolling.tonight(kept(site), site.desk.clock(), settings.redrill_days, settings.redrill_minutes)


def redrill(site: Site, budget_seconds: float | None = None) -> Iterator[Redrilled]:
    """Take tonight's turns, one after the other, while there is time for the next: as the settings have it,
    or `budget_seconds` if less is left.

    What cannot be carried out does not keep the others from their turn. Who is handed a bad one goes on.
    """
    whole = site.settings.redrill_minutes * 60.0
    watch, left = Stopwatch(), whole if budget_seconds is None else min(whole, budget_seconds)
    for turn in tonight(site):
        if turn.seconds > left:
            site.desk.reporter.say(f"{turn.kept.file} waits: the night's time is used up")
            continue
        examination, trouble = None, None
        with watch.phase(turn.kept.file):
            try:
                examination = drill.drill(site, BackupName.of(turn.kept.file))
            except LedgerError as error:
                trouble = error
        spent = watch.durations[turn.kept.file]
        left -= spent
        yield Redrilled(turn, spent, examination, trouble)


def _kept(entry: Entry) -> Kept:
    proof, manifest = entry.proof, entry.manifest
    assert manifest is not None
    restored = proof if proof and proof.server_version else None
    seconds = restored.durations.get("drill") if restored else None
    return Kept(
        file=entry.name.dump,
        day=manifest.backup_day,
        size=manifest.dump.size,
        restored_at=restored.examined_at if restored else None,
        seconds=seconds,
        trouble="its bytes are in the cloud only" if not entry.local else "it is bad" if entry.bad else "",
    )
