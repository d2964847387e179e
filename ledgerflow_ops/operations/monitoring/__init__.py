"""Looks for what is wrong with environments and the machine. Telling people belongs to alerting."""
