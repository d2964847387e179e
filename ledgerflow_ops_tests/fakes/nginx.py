"""A real nginx in a folder of its own, with docs/nginx.conf as it is but for ports."""

import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from ledgerflow_ops.places import PROJECT
from ledgerflow_ops_tests import needs

MAIN = """
{user}
daemon off;
pid nginx.pid;
error_log errors.log;
worker_processes 1;
events {{ }}
http {{
    access_log access.log;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include ledgerflow.conf;
}}
"""
WORKER = "nobody"
PATIENCE = 20.0


@contextmanager
def nginx(folder: Path, pages: Mapping[str, int], passwords: Mapping[str, str], secret: str) -> Iterator[str]:
    """nginx in front of the pages; its address.

    `pages` has their ports, and nginx's own, by those in the example; `secret` is what the pages know it by.
    """
    program = needs.program("nginx", "/usr/sbin/nginx")
    port = pages["8070"]
    folder.mkdir(mode=0o711)
    settings = (PROJECT / "docs" / "nginx.conf").read_text()
    for written, real in pages.items():
        settings, found = re.subn(rf"127\.0\.0\.1:{written};", f"127.0.0.1:{real};", settings)
        assert found == 1, f"the example does not name port {written} once"
    as_root = os.geteuid() == 0
    (folder / "ledgerflow.conf").write_text(settings)
    (folder / "nginx.conf").write_text(MAIN.format(user=f"user {WORKER} nogroup;" if as_root else ""))
    (folder / "ledgerflow.passwords").write_text(
        "".join(f"{name}:{_digest(password)}\n" for name, password in passwords.items())
    )
    with os.fdopen(os.open(folder / "ledgerflow.secret", os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
        out.write(f"proxy_set_header X-Ledgerflow-Proxy {secret};\n")
    words = [str(program), "-p", str(folder), "-c", "nginx.conf", "-e", "errors.log"]
    child = subprocess.Popen(words, cwd=folder, stdin=subprocess.DEVNULL)
    try:
        _wait(child, port, folder / "errors.log")
        workers = psutil.Process(child.pid).children()
        assert workers
        assert not as_root or {worker.username() for worker in workers} == {WORKER}
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait(PATIENCE)


def _digest(password: str) -> str:
    """A password as the example says to write it."""
    words = [str(needs.program("openssl")), "passwd", "-apr1", "-stdin"]
    done = subprocess.run(words, input=password.encode(), capture_output=True, check=True)
    return done.stdout.decode().strip()


def _wait(child: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        assert child.poll() is None, log.read_text()
        found = psutil.Process(child.pid).children()
        if found and any(one.laddr.port == port for one in psutil.Process(child.pid).net_connections("inet")):
            return
        time.sleep(0.05)
    raise AssertionError(log.read_text())
