"""The Dagster room: the only folder that imports dagster."""
