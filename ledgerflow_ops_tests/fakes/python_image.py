"""An image like `python:3`, with the locked packages in it, made from what is on this machine.

It stands in for the base of deploy/Dockerfile: a build on this engine has no network, so pip finds every
package of the lock installed already. Out of the Python that this environment was made with, its packages,
and the system's libraries that they need.
"""

import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path

from ledgerflow_ops_tests.fakes import image

NAME = "ledgerflow-python:tests"
_LEFT_OUT = re.compile(
    r"^test(/|$)|(^|/)(playwright|mypy|mypyc|ruff|hypothesis|_pytest|idlelib|ensurepip|config-[^/]*"
    r"|dist-packages|site-packages|EXTERNALLY-MANAGED)(/|$)|__mypyc|(^|/)ledgerflow_ops[^/]*$"
)
"""What no locked package needs, and what is of this clone."""


def build(target: Path) -> Path:
    """Write the image's file system as a tar archive, for `docker import`."""
    python = Path(sys.executable).resolve()
    stdlib, packages = Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))
    files = {file: file for file in (python, *_files(stdlib, stdlib))}
    site = _path_of(python, "purelib")
    files |= {file: site / file.relative_to(packages) for file in _files(packages, packages)}
    with tarfile.open(target, "w") as archive:
        added = image.add_system(archive)
        for file, place in files.items():
            image.add_file(archive, file, str(place).lstrip("/"))
        for library in sorted(_libraries([python, *filter(_is_program, files)])):
            if library not in added and not library.is_relative_to(packages):
                image.add_file(archive, library.resolve(), str(library).lstrip("/"))
        scripts = _path_of(python, "scripts")
        image.add_link(archive, f"{str(scripts).lstrip('/')}/python3", str(python))
    return target


def search_path() -> str:
    """The image's PATH: pip puts the programs of packages where that Python has its own."""
    return f"{_path_of(Path(sys.executable).resolve(), 'scripts')}:/usr/local/bin:/usr/bin:/bin"


def _is_program(file: Path) -> bool:
    return ".so" in file.name or file.parent.name == "bin"


def _path_of(python: Path, kind: str) -> Path:
    """A folder of that Python without an environment: `purelib` for packages, `scripts` for programs."""
    question = f"import sysconfig; print(sysconfig.get_path('{kind}'))"
    said = subprocess.run([python, "-I", "-c", question], capture_output=True, text=True, check=True)
    return Path(said.stdout.strip())


def _files(folder: Path, below: Path) -> Iterator[Path]:
    for file in folder.iterdir():
        if _LEFT_OUT.search(str(file.relative_to(below))):
            continue
        if file.is_dir() and not file.is_symlink():
            yield from _files(file, below)
        else:
            yield file


def _libraries(programs: list[Path]) -> set[Path]:
    said = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    return {Path(path) for path in re.findall(r"(?:=>\s+|^\s+)(/\S+)", said, re.MULTILINE)}
