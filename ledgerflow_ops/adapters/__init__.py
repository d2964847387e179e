"""Access to PostgreSQL, processes, files and locks. All decisions are made in core."""
