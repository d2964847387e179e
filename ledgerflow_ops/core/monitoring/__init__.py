"""Finds out what is wrong or odd about backups and disks, from records alone.

Who hears of it belongs to alerting.
"""
