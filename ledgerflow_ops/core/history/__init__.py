"""The signed history of an environment's backups: its entries, how they are chained, what contradicts them.
No signature is made or checked here.
"""
