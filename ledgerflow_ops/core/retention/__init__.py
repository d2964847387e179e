"""Decides which backups and which Dagster runs expire. Removing them belongs to operations.retention."""
