"""Copies backups to archive locations, reads them from there, and repairs bad copies from good ones."""
