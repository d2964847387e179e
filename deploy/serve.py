"""Keeps the web page and the daemon running in a container, as its first process.

`ledgerflow up` starts them in the background, on the container's loopback. This program starts them, passes
connections to the container's published port on to the page, and ends when one of them does, so that
Docker's restart policy applies. SIGTERM stops them in order. `--check` is the health check.
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

PORT = int(os.environ.get("LEDGER_WEB_PORT", "3070"))
SERVERS = Path(os.environ["LEDGER_STATE_DIR"]) / "servers"
WATCHED = ("webserver", "daemon")
SECONDS = 5.0


def main() -> int:
    """Serve until a signal or the end of a server; the exit code."""
    if "--check" in sys.argv[1:]:
        return 0 if answers() and not ended() else 1
    signal.signal(signal.SIGTERM, stop)
    # The link that `up` prints opens the page: it does not belong into the container's log.
    code = subprocess.run(["ledgerflow", "up"], stdout=subprocess.DEVNULL, check=False).returncode
    if code:
        return code
    say("Up. A link for the browser: docker compose exec ledgerflow ledgerflow up")
    for address in own_addresses():
        threading.Thread(target=forward, args=(address,), daemon=True).start()
    while not (gone := ended()):
        time.sleep(SECONDS)
    say(f"ended: {', '.join(gone)}; its log is in {SERVERS}")
    subprocess.run(["ledgerflow", "down"], check=False)
    return 1


def say(text: str) -> None:
    """Write a line into the container's log."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def stop(_number: int, _frame: FrameType | None) -> None:
    """End the servers in order: runs are told, sessions end."""
    subprocess.run(["ledgerflow", "down"], check=False)
    sys.exit(0)


def ended() -> list[str]:
    """The servers that do not run any more."""
    return [name for name in WATCHED if not runs(SERVERS / f"{name}.json")]


def runs(record: Path) -> bool:
    """Whether the process of a record is there and is not a zombie."""
    try:
        pid = int(json.loads(record.read_text())["pid"])
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError, KeyError):
        return False
    return state != "Z"


def answers() -> bool:
    """Whether the page answers, if only that one has to log in."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=SECONDS)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/", headers={"Accept": "text/html"})
        return connection.getresponse().status < 500
    return False


def own_addresses() -> set[str]:
    """The container's addresses on its networks; none where it has only loopback."""
    with contextlib.suppress(OSError):
        found = socket.getaddrinfo(socket.gethostname(), PORT, socket.AF_INET, socket.SOCK_STREAM)
        return {str(entry[4][0]) for entry in found if not str(entry[4][0]).startswith("127.")}
    return set()


def forward(address: str) -> None:
    """Accept connections at an address of the container and join each to the page's own port."""
    with socket.create_server((address, PORT)) as server:
        while True:
            outside, _ = server.accept()
            threading.Thread(target=join, args=(outside,), daemon=True).start()


def join(outside: socket.socket) -> None:
    """Copy both ways until both sides have ended."""
    with outside, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", PORT)) as inside:
        back = threading.Thread(target=copy, args=(inside, outside), daemon=True)
        back.start()
        copy(outside, inside)
        back.join()


def copy(source: socket.socket, target: socket.socket) -> None:
    """Copy what arrives until the source ends; then end the target's input."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    sys.exit(main())
