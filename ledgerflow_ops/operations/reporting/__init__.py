"""Presents status, journal, report and metrics. Nothing here changes anything."""
