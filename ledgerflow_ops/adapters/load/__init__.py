"""Restores archives into databases, and swaps databases. Reading archives belongs to dump."""
