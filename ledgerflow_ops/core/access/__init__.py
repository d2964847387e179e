"""Decides which web requests are served and which launched runs may start.

Serving them belongs to adapters.services.
"""
