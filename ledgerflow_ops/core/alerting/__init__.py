"""Decides who is told what, when and in which words. Finding out what is wrong belongs to monitoring."""
