"""Plans restores of databases and files, and records incidents.

Carrying them out belongs to operations.restore.
"""
