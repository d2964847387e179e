"""The storage of backups and state files. Nothing here interprets the contents of a backup."""
