"""PostgreSQL servers of our own: made, started, stopped, removed.

Other people's servers belong to connection.
"""
