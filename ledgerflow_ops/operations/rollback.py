"""Swaps an environment's database back for the one that a restore had put aside."""

import secrets
from dataclasses import dataclass
from typing import Any

from ledgerflow_ops.adapters import locks
from ledgerflow_ops.adapters.target import Rename
from ledgerflow_ops.core import swap
from ledgerflow_ops.core.errors import Pending, Refused
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.core.restoring import prepared_transactions
from ledgerflow_ops.core.swap import Beside, Mark, Role
from ledgerflow_ops.operations import files, journal, leftovers, sweeping
from ledgerflow_ops.operations.aim import Aim, aim
from ledgerflow_ops.operations.desk import Site


@dataclass(frozen=True, slots=True)
class Rollback:
    """What a rollback would do, or did: `back` becomes live, the live one becomes `away`."""

    environment: str
    database: str
    back: Beside
    away: str | None
    sessions: int

    def as_json(self) -> dict[str, Any]:
        return {
            "environment": self.environment,
            "database": self.database,
            "back": self.back.name,
            "away": self.away,
            "sessions": self.sessions,
            "of": self.back.mark.at.isoformat(),
        }


def plan(site: Site, aimed: Aim, *, force: bool) -> Rollback:
    """Which database would come back. Refused (3) when there is none, or the live one is in use."""
    for reason in prepared_transactions(aimed.target):
        raise Refused(reason.message, hint=reason.hint)
    kept = leftovers.kept(site)
    if not kept:
        raise Refused(
            f"There is no earlier database of {site.environment} to go back to.",
            hint="make status shows what there is; make restore brings a backup back.",
        )
    _require_pair(site, kept[0])
    sessions = aimed.target.sessions
    if sessions and not force:
        listed = "".join(f"\n    {session}" for session in sessions)
        raise Refused(
            f"{aimed.name} is in use by {len(sessions)} session(s):{listed}",
            hint="Stop the application first, or end the sessions: FORCE=1 make rollback",
        )
    if aimed.target.application.running and not force:
        raise Refused(
            f"The application of {aimed.name} is running: {aimed.target.application}.",
            hint=f"Stop it first: {aimed.target.application.stop} (or end its sessions: FORCE=1)",
        )
    ident = swap.new_id(site.desk.clock(), secrets.token_hex(2))
    away = swap.beside_name(aimed.name, Role.BEFORE, ident) if aimed.target.live else None
    return Rollback(str(site.environment), aimed.name, kept[0], away, len(sessions))


def _require_pair(site: Site, back: Beside) -> None:
    """Refused for a database whose files were taken back from it: alone it would be half of a pair."""
    if back.mark.undone and files.taken_back(site, back.mark.undone):
        raise Refused(
            f"{back.name} had files with it, which were taken back: they lie beside their folders "
            f"as …__undone_{back.mark.undone}.",
            hint=f"Restore both again: make restore-force FILE={back.mark.file}",
        )


def rollback(site: Site, *, force: bool = False) -> Rollback:
    """Swap back, in one transaction. What was live is kept: another rollback brings it back again."""
    desk = site.desk
    with (
        journal.recorded(site, "rollback") as note,
        locks.exclusive(desk.settings.state_dir, site.environment, "rollback", desk.clock()),
    ):
        sweeping.before(site)
        leftovers.sweep(site)
        desk.reporter.step(Step.PLAN)
        aimed = aim(site)
        planned = plan(site, aimed, force=force)
        laid = files.swapped(site, planned.back.mark.id)
        if laid:
            laid = files.announce_back(site, laid)
        desk.reporter.step(Step.SWAP)
        try:
            _swap(site, aimed, planned, force=force)
        except Pending:
            raise  # the files follow their database, whichever side it comes to
        except BaseException:
            if laid:
                files.announce_back(site, laid, really=False)
            raise
        if laid:
            files.take_back(site, laid)
        desk.reporter.step(Step.JOURNAL)
        note |= planned.as_json()
        return planned


def _swap(site: Site, aimed: Aim, planned: Rollback, *, force: bool) -> None:
    renames = [Rename(planned.back.name, aimed.name, planned.back.mark.comment, open=True)]
    if planned.away:
        comment = aimed.properties.comment if aimed.properties else None
        mark = Mark(
            environment=str(site.environment),
            database=aimed.name,
            role=Role.BEFORE,
            id=planned.away.rpartition(f"__{Role.BEFORE}_")[2],
            at=site.desk.clock(),
            file=planned.back.mark.file,
            comment=comment,
            undone=planned.back.mark.id,
        )
        renames.insert(0, Rename(aimed.name, planned.away, mark.encode(), open=False))
    aimed.swap(renames, force=force)
