"""Shows how it stands: status, journal, report, metrics. Nothing here changes anything."""
