"""Creates, starts, stops and removes our own PostgreSQL servers.

Connections to the servers that are backed up belong to connection.
"""
