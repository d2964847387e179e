"""Reads and drills backups, and records how far each is proven.

Putting one into service belongs to restore.
"""
