"""Decides which web requests and which launched runs are let through.

Serving them belongs to adapters.services.
"""
