"""The watches beside those of the environments: of the machine, and of what became of runs."""

MACHINE, RUNS = "machine", "runs"
