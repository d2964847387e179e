"""Presents records as strips of days, colours and table rows. No figure is computed here."""
