"""The colours of states, the same in every view: green is proven, red is bad, the rest is neither."""

from ledgerflow_ops.core.presentation import day_status

STATES = {
    "valid": "#1b9e5a",
    "equal": "#8fbf3f",
    "restored": "#c9bd2f",
    "readable": "#e6a832",
    "decrypted": "#b9a27a",
    "hashed": "#a0a0a0",
    "written": "#808080",
    "not local": "#7aa6d6",
    "no manifest": "#505050",
    "unjudged": "#b5651d",
    "bad": "#d03535",
    "unrestorable": "#a3195b",
}
DAYS = {
    **STATES,
    day_status.ROTATED: "#a8d8bd",
    day_status.MISSING: "#f2b5ad",
    day_status.DUE: "#dfe5ee",
    day_status.BEFORE: "#f3f4f6",
}
"""The colours of days, those without a backup included."""
HEALTH = {"quiet": "#7a8594", "good": "#1b9e5a", "warning": "#c98a1b", "critical": "#d03535"}
ENVIRONMENTS = {"dev": "#7a68c4", "test": "#3b8fb8", "prod": "#1f3b63"}
