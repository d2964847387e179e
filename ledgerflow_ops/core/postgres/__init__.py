"""What PostgreSQL's own words mean: addresses, names, rights, limits, roles scripts.

Nothing here compares or loads.
"""
