"""The machine: processes, clock, locks, files' modes, accounts.

Nothing here knows backups or PostgreSQL.
"""
