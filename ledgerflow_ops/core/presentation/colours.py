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
HEALTH = {"quiet": "#5f6b7a", "good": "#157a46", "warning": "#8a5a0c", "critical": "#c62f2f"}
"""White text on each has a contrast of at least 4.5 (WCAG 2.2, 1.4.3)."""
ENVIRONMENTS = {"dev": "#7a68c4", "test": "#3b8fb8", "prod": "#1f3b63"}
INK, SOFT, SURFACE = "#26303d", "#5d6877", "#ffffff"
"""Text, less important text, and what they are on. Their contrast is at least 4.5."""
GRID, AXIS, BAND = "#eceff3", "#c8ced6", "#dbe6f5"

DARK = {
    INK: "#e3e8ef",
    SOFT: "#9aa6b5",
    SURFACE: "#161b22",
    GRID: "#2b323c",
    AXIS: "#4a5462",
    BAND: "#2a3b55",
    DAYS[day_status.ROTATED]: "#2f6b4c",
    DAYS[day_status.MISSING]: "#8a4a43",
    DAYS[day_status.DUE]: "#3a4452",
    DAYS[day_status.BEFORE]: "#1d232b",
    STATES["no manifest"]: "#b0b0b0",
    ENVIRONMENTS["prod"]: "#8fb4e8",
}
"""The colours of charts in the dark scheme, by those of the light one; all others are the same in both."""
