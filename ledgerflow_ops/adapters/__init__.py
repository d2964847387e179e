"""Touches the world (PostgreSQL, processes, files, locks) and decides nothing."""
