"""docker's and Compose's command lines, read. What they would do belongs to rules."""
