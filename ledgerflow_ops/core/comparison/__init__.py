"""Compares a copy with its seal: contents, definitions, expressions.

What follows from a difference is decided elsewhere.
"""
