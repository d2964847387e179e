"""Starts and stops the web pages, the daemon and the metrics server. What they serve belongs to defs."""
