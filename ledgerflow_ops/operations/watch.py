"""Looks at what is there, and says what is wrong with it."""

from datetime import timedelta

from ledgerflow_ops.core import schedule, summary
from ledgerflow_ops.core.alerts import Finding, Level
from ledgerflow_ops.core.messages import span
from ledgerflow_ops.operations import summaries
from ledgerflow_ops.operations.desk import Desk, Site


def look(site: Site) -> list[Finding]:
    """What is wrong with an environment now: its backup is late, nothing is proven, the RPO is not kept."""
    if not site.settings.is_scheduled:
        return []
    name, asked, now, found = site.environment, site.settings, site.desk.clock(), []
    present = summaries.present(site)
    due = schedule.last_due(now - timedelta(minutes=asked.late_minutes), asked.schedule, asked.zone)
    if not any(one.day >= due for one in present):
        text = f"The backup of {due} is late: there is none."
        found.append(Finding(name, "late", "", Level.CRITICAL, text, f"LEDGER_ENV={name} make backup"))
    newest = summary.newest_proven(present)
    age = now - newest.recovery_point if newest else None
    if age is None or age > timedelta(hours=asked.rpo_hours):
        text = f"The newest proven backup is {span(age)} old." if age else "Nothing is proven."
        text += f" At most {asked.rpo_hours:g} hours may be lost."
        found.append(Finding(name, "rpo", "", Level.CRITICAL, text, f"LEDGER_ENV={name} make backup"))
    return found


def machine(desk: Desk) -> list[Finding]:  # noqa: ARG001
    """What is wrong with the machine that all environments live on."""
    return []
