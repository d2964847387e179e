"""Runs pg_dump and reads its archives. Restoring an archive belongs to load."""
