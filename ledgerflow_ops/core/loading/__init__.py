"""How an archive is loaded into a server, and what a failed load means.

The comparison afterwards belongs to comparison.
"""
