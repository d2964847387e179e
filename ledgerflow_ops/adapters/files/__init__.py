"""Scans, packs, unpacks and swaps the files that are backed up with a database.

Databases belong to dump and load.
"""
