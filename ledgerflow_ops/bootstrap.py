"""Set up the project's Python environment: `.venv`, holding exactly what the lock files name.

make runs this with whatever Python the machine has, before anything is installed: it uses only the standard
library. An unsupported old Python (from 3.6 on) must be able to run it: annotations with brackets are quoted.

`python -m venv` creates the environment, its pip installs uv, and uv installs the rest within seconds. If uv
has no wheel or fails, pip installs the same files by the same hashes within a minute or two.

Input: `--dev` for the development tools as well; the lock files and pyproject.toml in the parent folder; the
variable PYTHON if an interpreter was chosen; pip's settings, which also apply to uv. Output: a complete
`.venv`, messages on stderr, and an exit code: 0 complete, 1 failed, 2 the machine's Python is not supported.
"""

import ast
import contextlib
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "pyproject.toml"
LOCK, LOCK_DEV, LOCK_UV = (ROOT / f"requirements{part}.lock" for part in ("", "-dev", "-uv"))
VENV = ROOT / ".venv"
PYTHON, UV = VENV / "bin" / "python", VENV / "bin" / "uv"
# make compares the times of these two with the files they depend on; both record what `.venv` was made from.
READY, READY_DEV = VENV / ".ready", VENV / ".ready-dev"
# Read by make: the folder that the environment was made for, because its scripts hold that path.
HOME_NOTE = VENV / ".home.mk"

# Other interpreters to try if the one that runs this is not supported, best first.
OTHER_PYTHONS = ("python3.13", "python3.12", "python3.14", "python3.11")

PIP = (str(PYTHON), "-I", "-m", "pip")
PIP_INSTALL = (*PIP, "install", "--no-input", "--no-user", "--disable-pip-version-check")
# Options of both pip and uv: every file must have its hash, and nothing is compiled.
EXACTLY = ("--require-hashes", "--only-binary=:all:")
# Installs the project itself from this folder; nothing is downloaded.
EDITABLE = ("--no-deps", "--no-index", "--no-build-isolation", "--editable", str(ROOT))

# Part of pip's error message, and the hint for it.
HINTS = (
    ("DO NOT MATCH THE HASHES", "the index serves files other than those in the lock: see `pip config list`"),
    ("No space left on device", "free space on the disk, then run it again"),
    ("No matching distribution", "no network, or no file for this platform: see `pip config list`"),
    ("", "check that the package index is reachable; pip's configuration sets proxies and mirrors"),
)

# Settings of pip, and uv's variable for each.
UV_VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "timeout": "UV_HTTP_TIMEOUT",
    "no-cache-dir": "UV_NO_CACHE",
}


class SetupError(Exception):
    """Why the environment cannot be made, with a hint and the exit code."""

    def __init__(self, message: str, hint: str, code: int = 1) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code


def say(text: str) -> None:
    """Print one line on stderr; stdout belongs to the command that made the set-up necessary."""
    print(f"set-up: {text}", file=sys.stderr, flush=True)


def output_of(*command: str) -> str:
    """Return what a program writes to stdout; "" if it cannot be run or fails."""
    try:
        return subprocess.check_output(command, stderr=subprocess.DEVNULL).decode("utf-8", "replace").strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def version_of(python: str) -> str:
    """Return an interpreter's major and minor version, as "3.11"; "" if it cannot be run."""
    return output_of(python, "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")


def supported_versions() -> "tuple[str, str]":
    """Return the oldest and the newest Python that has a ready-made wheel of every part on this machine."""
    if sys.platform == "darwin":
        return "3.12", "3.13"
    libc, version = platform.libc_ver()
    old_glibc = libc == "glibc" and numbers(version) < (2, 34)
    return ("3.12" if old_glibc else "3.11"), "3.14"


def numbers(version: str) -> "tuple[int, ...]":
    """Return a version as numbers that can be compared; () for ""."""
    return tuple(int(part) for part in version.split(".") if part)


def suitable_python(own: str) -> str:
    """Return the chosen Python or `own`, else a supported one on the PATH; SetupError if there is none."""
    oldest, newest = supported_versions()
    chosen = os.environ.get("PYTHON")
    others = [] if chosen else [shutil.which(name) for name in OTHER_PYTHONS]
    for python in (chosen or own, *others):
        if python and numbers(oldest) <= numbers(version_of(python)) <= numbers(newest):
            return python
    version = version_of(chosen or own) or "none"
    raise SetupError(
        f"Python {oldest} to {newest} is needed; {chosen or 'python3'} is {version}",
        "install Python 3.13, or name one: make PYTHON=/path/to/python3",
        code=2,
    )


def wait_for_other_set_ups() -> None:
    """Lock the project's folder for the lifetime of this process and of the programs that it starts.

    If this process is killed, an installer that is still running keeps the next set-up waiting.
    """
    folder = os.open(str(ROOT), os.O_RDONLY)
    os.set_inheritable(folder, True)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("another set-up is running in this folder; waiting for it")
        fcntl.flock(folder, fcntl.LOCK_EX)


def run(*command: str, variables: "Mapping[str, str] | None" = None) -> "tuple[int, str]":
    """Run a program that inherits the lock; return its exit code and the last lines of its output.

    `variables` are set for the program unless the user has set them. A program that cannot be run counts as
    failed.
    """
    last: deque[str] = deque(maxlen=12)
    try:
        process = subprocess.Popen(
            command,
            env={**(variables or {}), **os.environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            close_fds=False,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        return 1, str(error)
    with process:
        for line in process.stdout or ():
            last.append(re.sub(r"//[^/\s]+@", "//****@", line.rstrip()))
            show_progress(last[-1])
    show_progress("")
    return process.returncode, "\n".join(last)


def show_progress(line: str) -> None:
    """Show on one line of the terminal what is being installed; "" clears the line."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        print("\r\033[K" + line.strip()[:width], end="", file=sys.stderr, flush=True)


def make_venv(python: str) -> None:
    """Create `.venv` again, with nothing but pip."""
    # By the interpreter's real path: a name such as python3 may later refer to another version.
    file = "os.path.realpath(getattr(sys, '_base_executable', sys.executable))"
    base = output_of(python, "-I", "-c", f"import ensurepip, os, sys, venv; print({file})")
    if not base:
        raise SetupError(
            f"{python} cannot make virtual environments: its ensurepip part is not installed",
            f"on Debian or Ubuntu: apt install python3-venv (or python{version_of(python)}-venv)",
            code=2,
        )
    code, words = run(base, "-I", "-m", "venv", "--clear", str(VENV))
    if code != 0:
        raise SetupError(f"{VENV} could not be made:\n{words}", "the lines above say why")


def owns_home() -> bool:
    """Return whether there is a home folder that belongs to the user who runs this."""
    try:
        return Path("~").expanduser().stat().st_uid == os.geteuid()
    except (OSError, RuntimeError):
        return False


def uv_variables(settings: str) -> "dict[str, str]":
    """Return the variables that make uv follow pip's settings, the lines that `pip config list` prints.

    A command's section overrides `global`, and PIP_* (`:env:`) overrides both, as in pip. Values may contain
    passwords, so they are passed as variables and never printed.
    """
    # The hashes identify the right file, so it may come from any index, as with pip.
    variables = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    if not owns_home():
        variables["UV_NO_CACHE"] = "1"  # under sudo, root must not write into the user's cache
    for section in ("global", "install", ":env:"):
        for name, value in re.findall(rf"^{section}\.([a-z-]+)=(.+)$", settings, re.MULTILINE):
            if name in UV_VARIABLES:
                separator = "," if name == "find-links" else " "
                variables[UV_VARIABLES[name]] = separator.join(ast.literal_eval(value).split())
    return variables


def synced_by_uv(lock: Path) -> bool:
    """Make the environment hold exactly what the lock names and the project; False if uv cannot."""
    get_uv = (*PIP_INSTALL, *EXACTLY, "--requirement", str(LOCK_UV))
    sync = (str(UV), "pip", "sync", "--python", str(PYTHON), *EXACTLY, str(lock), str(LOCK_UV))
    project = (str(UV), "pip", "install", "--python", str(PYTHON), *EDITABLE)
    variables = uv_variables(output_of(*PIP, "config", "list"))
    for command in (sync, project) if UV.exists() else (get_uv, sync, project):
        code, words = run(*command, variables=variables)
        if code != 0:
            say(f"uv could not install what the lock names:\n{words}")
            return False
    return True


def install_by_pip(lock: Path) -> None:
    """Install what the lock names, and the project, into a new environment, with pip."""
    say("pip installs it, in a minute or two")
    for what in ((*EXACTLY, "--no-deps", "--requirement", str(lock)), EDITABLE):
        code, words = run(*PIP_INSTALL, *what)
        if code != 0:
            hint = next(advice for sign, advice in HINTS if sign in words)
            raise SetupError(f"pip could not install what the lock names:\n{words}", hint)


def digest_of_inputs(dev: bool) -> str:
    """Return a hash of the files that determine the environment's content."""
    files = (LOCK, PROJECT, LOCK_DEV) if dev else (LOCK, PROJECT)
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def set_up(python: str, dev: bool) -> None:
    """Make `.venv` hold what the lock files name; only a check if it does already."""
    began = time.time()
    wait_for_other_set_ups()
    dev = dev or READY_DEV.exists()
    wanted = [str(ROOT), version_of(python), digest_of_inputs(dev)]
    made_from = READY.read_text(encoding="utf-8").splitlines() if READY.exists() else []
    # Complete, and made for this folder by the Python that is in it, which is kept unless one was chosen.
    usable = made_from[:2] == [str(ROOT), version_of(str(PYTHON))]
    if usable and not os.environ.get("PYTHON"):
        wanted[1] = made_from[1]
    if made_from == wanted and usable:
        # Somebody who can only read this folder can use the environment as well.
        with contextlib.suppress(PermissionError):
            leave_stamps(wanted, dev, began)
        return
    # Until the end the environment is incomplete: the missing stamps show it if this is interrupted.
    for stamp in (READY_DEV, READY):
        if stamp.exists():
            stamp.unlink()
    lock = LOCK_DEV if dev else LOCK
    count = lock.read_text(encoding="utf-8").count("==")
    say(f"installing the Python environment, about {count} packages")
    if not usable or made_from[1] != wanted[1]:
        make_venv(python)
    if not synced_by_uv(lock):
        if usable or UV.exists():
            # Start from an empty one: uv may have left it incomplete, or it holds an earlier lock's files.
            make_venv(python)
            wanted[1] = version_of(python)
        install_by_pip(lock)
    leave_stamps(wanted, dev, began)
    say(f"done in {time.time() - began:.0f} s")


def leave_stamps(made_from: "list[str]", dev: bool, began: float) -> None:
    """Record that the environment is complete, with the time just before the lock files were read.

    A lock file that was edited during the set-up is then newer than the stamps, and make runs it again.
    """
    path_in_make = str(ROOT).replace("$", "$$").replace("#", r"\#")
    HOME_NOTE.write_text(f"SET_UP_IN := {path_in_make}\n", encoding="utf-8")
    for stamp in (READY, READY_DEV) if dev else (READY,):
        partial = stamp.with_name(stamp.name + ".partial")
        partial.write_text("\n".join(made_from), encoding="utf-8")
        os.utime(str(partial), (began, began))
        partial.replace(stamp)


def main(own: str = sys.executable) -> int:
    """Set up the environment and return the exit code; prints a hint with every failure."""
    try:
        set_up(suitable_python(own), dev="--dev" in sys.argv[1:])
    except SetupError as error:
        say(f"{error}\n  hint: {error.hint}")
        return error.code
    except OSError as error:
        say(f"{error}\n  hint: check that this user may write {VENV}, and that the disk has free space")
        return 1
    except KeyboardInterrupt:
        say("interrupted; the next run starts again")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
