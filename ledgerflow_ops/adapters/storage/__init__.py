"""Where backups and state lie on a file system. Nothing here reads what a backup holds."""
