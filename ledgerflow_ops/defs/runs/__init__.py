"""Between a Dagster run and an operation: who requested it, how it ended. Defines no asset or job."""
