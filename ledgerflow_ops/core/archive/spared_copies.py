"""The safety net of a location's retention: the only proven copy of a kept backup is never removed."""

from collections.abc import Set
from dataclasses import replace

from ledgerflow_ops.core.retention.retention_plan import RetentionDecision, RetentionPlan

_REASON = "it is the only proven copy of a backup that the primary folder keeps"


def spare_only_copies(plan: RetentionPlan, spared: Set[str]) -> RetentionPlan:
    """The plan in which the backups of these names do not expire, with the reason."""
    decisions = tuple(
        RetentionDecision(decision.name, decision.day, False, (_REASON,))
        if decision.expires and decision.name in spared
        else decision
        for decision in plan.decisions
    )
    return replace(plan, decisions=decisions)
