"""Assets and their checks. When they run belongs to automation."""
