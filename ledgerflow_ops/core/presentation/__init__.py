"""Turns records into strips, colours and rows for people. No figure is computed here."""
