"""Parses docker's and Compose's command lines. Their effects belong to rules."""
