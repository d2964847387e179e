"""Decides when backups, drills and backfills are due. Starting them belongs to defs.automation."""
