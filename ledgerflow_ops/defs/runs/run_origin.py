"""Where a run's code lies, as Dagster's servers record it with the runs that they launch.

Jobs, Timeline, lineage and the page's button "Re-execute" find a run by this origin.
"""

import sys
from pathlib import Path

from dagster._core.code_pointer import CodePointer
from dagster._core.origin import DEFAULT_DAGSTER_ENTRY_POINT, JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.workspace.load import location_origins_from_yaml_paths

from ledgerflow_ops.places import working_folder

_REPOSITORY, _ATTRIBUTE = "__repository__", "defs"
"""Dagster's name for the repository of a Definitions object, and that object's name in its module."""


def origin_of_job(workspace: Path, job_name: str) -> tuple[RemoteJobOrigin, JobPythonOrigin]:
    """The origins of a job in the code location that the file `workspace` (workspace.yaml) names.

    The first says which location the job belongs to, the second which module and interpreter load it. They
    equal those that a code server reports (dagster/_grpc/server.py, `LoadedRepositories`, 1.13.27).
    """
    [location] = location_origins_from_yaml_paths([str(workspace)])
    target = location.loadable_target_origin
    assert target.module_name, f"{workspace} does not name a module"
    folder = target.working_directory or str(working_folder())  # where `make up` starts the servers
    code = RepositoryPythonOrigin(
        executable_path=target.executable_path or sys.executable,
        code_pointer=CodePointer.from_module(target.module_name, _ATTRIBUTE, folder),
        entry_point=DEFAULT_DAGSTER_ENTRY_POINT,
        container_context={},
    )
    repository = RemoteRepositoryOrigin(location, _REPOSITORY)
    return repository.get_job_origin(job_name), code.get_job_origin(job_name)
