"""What importing the definitions loads: the daemon, each web page and each run pay for it."""

import subprocess
import sys

HEAVY = {
    "altair", "apprise", "boto3", "botocore", "dagster_webserver", "http.server", "jinja2", "numpy",
    "obstore", "pandas", "prometheus_client", "psutil", "psycopg", "tarfile", "urllib.request", "uvicorn",
    "vl_convert", "zstandard",
}  # fmt: skip
"""What takes long to import, and is needed by some operations only."""
OPERATIONS = {"catalog", "context", "locations", "removal_history", "sealed_records", "summaries"}
"""The operations that compute each environment's first day; all others are imported where they are used."""
FREE = "import dagster, dagster_postgres"
DEFINITIONS = "import ledgerflow_ops.definitions"


def loaded(code: str) -> set[str]:
    """The modules that a new process has loaded once it has run `code`."""
    command = [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules, sep='\\n')"]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_the_definitions_load_nothing_heavy_that_dagster_does_not() -> None:
    found = loaded(DEFINITIONS)
    assert "ledgerflow_ops.defs.build" in found
    assert sorted(found & HEAVY - loaded(FREE)) == []


def test_the_definitions_load_the_operations_that_they_need() -> None:
    ours = {
        name.split(".")[2] for name in loaded(DEFINITIONS) if name.startswith("ledgerflow_ops.operations.")
    }
    assert sorted(ours - OPERATIONS) == []


def test_a_command_loads_no_library_of_object_stores() -> None:
    found = loaded("import ledgerflow_ops.commands.program, ledgerflow_ops.operations.locations")
    assert sorted(found & {"boto3", "botocore", "obstore"}) == []
