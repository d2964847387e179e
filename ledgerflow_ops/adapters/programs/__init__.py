"""Finds PostgreSQL's programs on the machine, and fetches pinned ones as wheels.

Running them belongs to dump and load.
"""
