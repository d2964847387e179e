"""Labels and settings that say what is protected. Judging a command belongs to rules."""
