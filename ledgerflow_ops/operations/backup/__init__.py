"""Takes a backup of one environment. Proving it belongs to verification."""
