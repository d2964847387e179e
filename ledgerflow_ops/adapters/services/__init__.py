"""Other programs and services: Docker, Dagster's server, alert channels, Prometheus.

PostgreSQL belongs to connection, cluster and programs.
"""
