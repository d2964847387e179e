"""Restores, rolls back and recovers an environment's database. Drills belong to verification."""
