"""Decides which alerts are sent to which channel, when, and in which words.

Finding out what is wrong belongs to monitoring."""
