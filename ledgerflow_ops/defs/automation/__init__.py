"""Schedules and sensors, and the past runs that they read. What a run does belongs to assets and jobs."""
