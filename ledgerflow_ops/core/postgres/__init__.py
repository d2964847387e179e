"""Reads PostgreSQL's own notations and views: addresses, names, rights, limits, sessions, roles scripts.

Comparing and loading databases belong to their own packages.
"""
