"""Connections to PostgreSQL: addresses, sessions, text, waits.

What is asked over them belongs to inspection.
"""
