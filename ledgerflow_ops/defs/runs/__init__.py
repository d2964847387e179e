"""Between a Dagster run and an operation: who asks, how it ended. No asset or job is defined here."""
