"""Pins backups and removes expired ones. What killed operations have left belongs to cleanup."""
