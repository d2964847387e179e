"""The commands that make calls: options, messages for people, JSON for programs, exit codes. dagster, whose
import takes a second, is imported only by the commands that need it."""
