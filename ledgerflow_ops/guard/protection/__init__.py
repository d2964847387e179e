"""Labels and settings that determine what is protected. Judging a command belongs to rules."""
