"""Schedules, sensors and what they read of past runs. What a run does belongs to assets and jobs."""
