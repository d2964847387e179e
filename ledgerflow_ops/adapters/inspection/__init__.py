"""Reads from a database what it holds and how it is set up. Nothing here changes a database."""
