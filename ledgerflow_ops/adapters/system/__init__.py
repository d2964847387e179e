"""The machine: processes, clock, locks, file permissions, accounts.

Nothing here depends on backups or PostgreSQL.
"""
