"""An image that behaves like the official `postgres:17`, made from what is on this machine.

Out of the PostgreSQL that comes with the project, a few programs of the system, and the libraries that
all of them need: nothing is fetched.
"""

import io
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path

from ledgerflow_ops.adapters.programs import client_tools, wheel
from ledgerflow_ops_tests import needs

NAME = "postgres:17"
SYSTEM = "ledgerflow-system:tests"
"""The same without a word of what it is for: what the stand-ins for other services run in."""
DATA = "/var/lib/postgresql/data"
UID = 70

_PROGRAMS = [
    "bash", "cat", "chmod", "chown", "cp", "date", "dd", "env", "find", "head", "id", "kill", "ls", "mkdir",
    "mkfifo", "mv", "od", "printenv", "ps", "rm", "sed", "setpriv", "sh", "sleep", "sort", "stat", "tail",
    "tar", "test", "touch", "true", "wc",
]  # fmt: skip
_OF_POSTGRES = [
    "createdb", "dropdb", "initdb", "pg_controldata", "pg_ctl", "pg_dump", "pg_dumpall", "pg_isready",
    "pg_restore", "postgres", "psql",
]  # fmt: skip
_LOCALE = Path("/usr/lib/locale/C.utf8")
_ZONES = ("UTC", "GMT", "Etc/UTC", "Europe/Vienna")
_ACCOUNTS = f"root:x:0:0:root:/root:/bin/sh\npostgres:x:{UID}:{UID}:postgres:/var/lib/postgresql:/bin/sh\n"
_GROUPS = f"root:x:0:\npostgres:x:{UID}:\n"
_ENTRYPOINT = r"""#!/bin/bash
# As the official one: makes the cluster when there is none, steps down, and runs what it is given.
set -Eeuo pipefail
[ "${1:0:1}" != - ] || set -- postgres "$@"
[ "$1" = postgres ] || exec "$@"
if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then  # read as root, before stepping down
    POSTGRES_PASSWORD="$(cat "$POSTGRES_PASSWORD_FILE")"
    export POSTGRES_PASSWORD
    unset POSTGRES_PASSWORD_FILE
fi
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" /var/run/postgresql
    find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
    chown postgres:postgres /var/run/postgresql
    chmod 0700 "$PGDATA"
    exec setpriv --reuid postgres --regid postgres --clear-groups "$0" "$@"
fi
user="${POSTGRES_USER:-postgres}"
database="${POSTGRES_DB:-$user}"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    [ -n "${POSTGRES_PASSWORD:-}" ] || { echo 'Error: superuser password is not specified.' >&2; exit 1; }
    locale=C
    [ ! -d /usr/lib/locale/C.utf8 ] || locale=C.UTF-8
    initdb --username="$user" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") --auth=trust \
        --encoding=UTF8 --locale=$locale --no-sync --pgdata="$PGDATA" >/dev/null
    printf '\nhost all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
    sed -i "s/^#listen_addresses = .*/listen_addresses = '*'/" "$PGDATA/postgresql.conf"
    if [ "$database" != postgres ]; then
        printf 'CREATE DATABASE "%s"\n' "$database" | postgres --single -D "$PGDATA" postgres >/dev/null
    fi
fi
exec "$@"
"""


def build(target: Path) -> Path:
    """Write the image's file system as a tar archive, for `docker import`."""
    with tarfile.open(target, "w") as archive:
        added = add_system(archive)
        for name in ("var/lib/postgresql/data", "var/run/postgresql", "usr/src/app"):
            _folder(archive, name, 0o755)
        _text(archive, "usr/local/bin/docker-entrypoint.sh", _ENTRYPOINT, 0o755)
        home = wheel.bundled_programs().parent
        for file in _files(home):
            add_file(archive, file, f"usr/local/{file.relative_to(home)}")
        for library in sorted(_libraries([home / "bin" / name for name in _OF_POSTGRES], home) - added):
            add_file(archive, library.resolve(), str(library).lstrip("/"))
    return target


def add_system(archive: tarfile.TarFile) -> set[Path]:
    """Add what every image here has: accounts, time zones, a locale, a few programs and their libraries.

    Returns the libraries.
    """
    for name in ("tmp", "root"):
        _folder(archive, name, 0o1777 if name == "tmp" else 0o755)
    _text(archive, "etc/passwd", _ACCOUNTS)
    _text(archive, "etc/group", _GROUPS)
    for zone in _ZONES:
        data = resources.files("tzdata").joinpath("zoneinfo", zone).read_bytes()
        _bytes(archive, f"usr/share/zoneinfo/{zone}", data)
    for file in filter(Path.is_file, _LOCALE.rglob("*")):
        add_file(archive, file, str(file).lstrip("/"))
    programs = [Path(path) for path in map(shutil.which, _PROGRAMS) if path]
    for program in programs:
        add_file(archive, program.resolve(), f"usr/bin/{program.name}")
    add_link(archive, "bin", "usr/bin")
    libraries = _libraries(programs, Path("/nowhere"))
    for library in sorted(libraries):
        add_file(archive, library.resolve(), str(library).lstrip("/"))
    return libraries


def dockerfile() -> str:
    """What makes the official image's like of the bare system: its own words."""
    version = client_tools.bundled_tools().version
    return f"""\
FROM {SYSTEM}
ENV PATH=/usr/local/bin:/usr/bin:/bin LANG=C PG_MAJOR=17 PG_VERSION={version} PGDATA={DATA}
VOLUME {DATA}
ENTRYPOINT ["docker-entrypoint.sh"]
STOPSIGNAL SIGINT
EXPOSE 5432
CMD ["postgres"]
"""


def _files(home: Path) -> Iterator[Path]:
    """What a server and its tools need of the bundled PostgreSQL."""
    yield from (home / "bin" / name for name in _OF_POSTGRES)
    for folder in ("lib", "share"):
        for file in (home / folder).rglob("*"):
            wanted = file.suffix != ".a" and "doc" not in file.relative_to(home).parts
            if wanted and (file.is_symlink() or file.is_file()):
                yield file


@cache
def _needed(program: Path) -> frozenset[str]:
    said = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout
    return frozenset(re.findall(r"(?:=>\s+|^\s+)(/\S+)", said, re.MULTILINE))


def _libraries(programs: list[Path], home: Path) -> set[Path]:
    """The system's libraries that these programs load, by the paths they load them from."""
    found = {Path(os.path.normpath(path)) for program in programs for path in _needed(program)}
    own = {path for path in found if path.resolve().is_relative_to(home.resolve())}
    if not found - own:
        needs.missing("ldd does not show which libraries a program needs")
    names = {path.parent / "libnss_files.so.2" for path in found if path.name.startswith("libc.so")}
    return (found - own) | {path for path in names if path.exists()}


def _folder(archive: tarfile.TarFile, name: str, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    archive.addfile(entry)


def add_link(archive: tarfile.TarFile, name: str, to: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, to
    archive.addfile(entry)


def _text(archive: tarfile.TarFile, name: str, text: str, mode: int = 0o644) -> None:
    _bytes(archive, name, text.encode(), mode)


def _bytes(archive: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    archive.addfile(entry, io.BytesIO(data))


def add_file(archive: tarfile.TarFile, file: Path, name: str) -> None:
    if file.is_symlink():
        add_link(archive, name, str(file.readlink()))
        return
    entry = tarfile.TarInfo(name)
    entry.mtime = int(file.stat().st_mtime)  # by which Python knows that a compiled module is current
    entry.size, entry.mode = file.stat().st_size, 0o755 if os.access(file, os.X_OK) else 0o644
    with file.open("rb") as stream:
        archive.addfile(entry, stream)
