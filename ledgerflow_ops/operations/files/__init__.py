"""Backs up, verifies and restores the files that go with a database.

The database itself belongs to backup and restore.
"""
