"""Sends alerts and remembers who knows. Finding out what is wrong belongs to monitoring."""
