"""The files that go with a dump: scanned, packed, unpacked, swapped.

Databases belong to dump and load.
"""
