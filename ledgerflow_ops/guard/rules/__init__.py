"""What a command would do to protected data. Whether it may run is decided by permit."""
