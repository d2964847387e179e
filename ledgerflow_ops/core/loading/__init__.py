"""How an archive is loaded into a server, and what a failed load means.

Comparing the restored database with its seal belongs to comparison.
"""
