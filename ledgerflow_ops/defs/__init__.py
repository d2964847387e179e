"""What Dagster loads: assets, checks, jobs, schedules, sensors. The only package that imports dagster."""
