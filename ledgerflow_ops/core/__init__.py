"""The decisions: pure functions and frozen records. No clock, disk, process, network or Dagster."""
