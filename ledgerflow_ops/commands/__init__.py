"""What make calls: options, words for people, JSON for programs, exit codes. dagster is imported only by the
commands that need it: that takes a second."""
