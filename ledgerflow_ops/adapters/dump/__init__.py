"""Runs pg_dump and reads archives. Loading one belongs to load."""
