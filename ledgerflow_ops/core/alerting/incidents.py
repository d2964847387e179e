"""Incidents: the alerts that have a cause in common, directly or through a third one."""

from collections.abc import Iterable

from ledgerflow_ops.core.alerting.findings import Alert
from ledgerflow_ops.core.alerting.root_cause import cause_keys


def group_incidents(alerts: Iterable[Alert]) -> list[list[Alert]]:
    """The alerts by incident, both in the given order. An alert without a cause is an incident of its own.

    Two alerts that share a cause's key belong together. So a file that was changed, and the same file found
    bad by another check, are one incident.
    """
    listed = list(alerts)
    groups: list[tuple[set[str], list[int]]] = []
    for number, alert in enumerate(listed):
        keys = set(cause_keys(alert.finding))
        joined = [group for group in groups if group[0] & keys]
        members = sorted(member for _, others in joined for member in others)
        groups = [group for group in groups if group not in joined]
        groups.append((keys.union(*(known for known, _ in joined)), [*members, number]))
    return [[listed[number] for number in members] for members in sorted(members for _, members in groups)]
