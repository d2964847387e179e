"""Gets backups of days that have passed. Today's backup belongs to backup."""
