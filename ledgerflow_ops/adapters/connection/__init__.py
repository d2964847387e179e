"""Connections to PostgreSQL: addresses, session settings, text encodings, limits of waits.

The queries about a database's contents belong to inspection.
"""
