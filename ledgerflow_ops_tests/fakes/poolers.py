"""A real PgBouncer in front of a server of a test's own, run by an account without rights."""

import secrets
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledgerflow_ops.adapters.cluster.cluster import free_port
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.adapters.system.server_account import server_account
from ledgerflow_ops_tests import needs
from ledgerflow_ops_tests.fakes import sandboxes

PGBOUNCER = "/usr/sbin/pgbouncer"
_SETTINGS = """[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = {mode}
ignore_startup_parameters = {ignored}
"""


@contextmanager
def pgbouncer(root: Path, server: Database, mode: str, ignored: str = "") -> Iterator[Database]:
    """The same database through a pooler in this mode, which ignores these startup parameters."""
    needs.program(PGBOUNCER)
    account, folder, port = server_account(), root / secrets.token_hex(4), free_port()
    folder.mkdir()
    users, file = folder / "users", folder / "pgbouncer.ini"
    users.write_text(f'"{server.parameters["user"]}" ""\n')
    words = {"server": server.parameters["port"], "port": port, "users": users, "mode": mode}
    file.write_text(_SETTINGS.format(**words, ignored=ignored or "extra_float_digits"))
    folder.chmod(0o711)  # what is in it holds no secret: everybody is trusted
    child = process.start_program(
        [PGBOUNCER, "-q", file], extra={}, account=account, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert sandboxes.wait_until(lambda: _listens(port), 60), child.poll()
        yield Database({**server.parameters, "host": "127.0.0.1", "port": str(port)})
    finally:
        process.stop(child)


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
