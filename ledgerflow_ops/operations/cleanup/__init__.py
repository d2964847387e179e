"""Finds and removes what killed operations have left. Removing expired backups belongs to retention."""
