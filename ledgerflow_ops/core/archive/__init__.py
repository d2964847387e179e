"""Decides about the copies of backups in archive locations: which to make, whether they suffice, what to
repair. Which backups expire belongs to retention.
"""
