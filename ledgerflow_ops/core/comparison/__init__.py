"""Compares a copy with its seal: contents, definitions, expressions.

What a difference leads to is decided elsewhere.
"""
