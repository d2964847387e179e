"""Reads the contents and the properties of a database. The source database is never changed here."""
