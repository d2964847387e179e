"""Set up the project's Python environment: `.venv`, holding exactly what the lock files name.

make runs this with whatever Python the machine has, before anything is installed: standard library only. A
Python that is too old (3.6 on) must be able to run it: annotations with brackets are in quotes.

`python -m venv` makes the environment, its pip installs uv, and uv installs the rest within seconds. Where uv
has no wheel or fails, pip installs the same files by the same hashes within a minute or two.

In: `--dev` for the development tools as well; the lock files and pyproject.toml beside this folder; the
variable PYTHON where somebody chose an interpreter; pip's own settings, for uv too. Out: a ready `.venv`,
every message on stderr, and an exit code: 0 ready, 1 failed, 2 the machine's Python will not do.
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
# make compares the times of these two with the files they depend on; both say what `.venv` was made from.
READY, READY_DEV = VENV / ".ready", VENV / ".ready-dev"
# Tells make which folder the environment was made for: its scripts hold that path.
HOME_NOTE = VENV / ".home.mk"

# Where an interpreter other than the one that runs this is looked for, best first.
OTHER_PYTHONS = ("python3.13", "python3.12", "python3.14", "python3.11")

PIP = (str(PYTHON), "-I", "-m", "pip")
PIP_INSTALL = (*PIP, "install", "--no-input", "--no-user", "--disable-pip-version-check")
# Options of pip and uv alike. Each file by its hash, and nothing that would have to be compiled.
EXACTLY = ("--require-hashes", "--only-binary=:all:")
# The project itself, as it is in this folder; nothing is fetched.
EDITABLE = ("--no-deps", "--no-index", "--no-build-isolation", "--editable", str(ROOT))

# What pip says when it fails, and what to do about it.
HINTS = (
    ("DO NOT MATCH THE HASHES", "the index served other files than the lock names: see `pip config list`"),
    ("No space left on device", "make room on the disk, then run it again"),
    ("No matching distribution", "no network, or no file for this platform: see `pip config list`"),
    ("", "is the package index within reach? Proxies and mirrors are taken from pip's own configuration"),
)

# Settings of pip, and the variable by which uv takes each.
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
    """A reason why the environment cannot be made, what to do about it, and the exit code."""

    def __init__(self, message: str, hint: str, code: int = 1) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code


def say(text: str) -> None:
    """Write one line for the person waiting; stdout belongs to the command that made the set-up necessary."""
    print(f"set-up: {text}", file=sys.stderr, flush=True)


def output_of(*command: str) -> str:
    """Return what a program writes to stdout; "" when it does not run or fails."""
    try:
        return subprocess.check_output(command, stderr=subprocess.DEVNULL).decode("utf-8", "replace").strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def version_of(python: str) -> str:
    """Ask an interpreter for its major and minor version, as "3.11"; "" when it does not run."""
    return output_of(python, "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")


def supported_versions() -> "tuple[str, str]":
    """Return the oldest and the newest Python that has a ready-made wheel of every part on this machine."""
    if sys.platform == "darwin":
        return "3.12", "3.13"
    libc, version = platform.libc_ver()
    old_glibc = libc == "glibc" and numbers(version) < (2, 34)
    return ("3.12" if old_glibc else "3.11"), "3.14"


def numbers(version: str) -> "tuple[int, ...]":
    """Return a version such that it compares with others; () of none."""
    return tuple(int(part) for part in version.split(".") if part)


def suitable_python(own: str) -> str:
    """Return the chosen Python or `own`, else one on the PATH that will do; SetupError when there is none."""
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
    """Take the lock on the project's folder, for as long as this process and the programs it starts live.

    So where this process is killed, an installer that lives on still keeps the next one out.
    """
    folder = os.open(str(ROOT), os.O_RDONLY)
    os.set_inheritable(folder, True)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("another set-up is at work in this folder; waiting for it")
        fcntl.flock(folder, fcntl.LOCK_EX)


def run(*command: str, variables: "Mapping[str, str] | None" = None) -> "tuple[int, str]":
    """Run a program that inherits the lock; return its exit code and the last lines of what it wrote.

    `variables` are for the program, where the user has not set them. One that cannot be run has failed.
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
    """Show a terminal what is being installed, on one line that is written over; "" clears it."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        print("\r\033[K" + line.strip()[:width], end="", file=sys.stderr, flush=True)


def make_venv(python: str) -> None:
    """Make `.venv` anew, empty but for pip."""
    # Not by a name such as python3, which may become another version: by its own file, which may disappear.
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
    """Tell whether there is a home folder and it belongs to the user who runs this."""
    try:
        return Path("~").expanduser().stat().st_uid == os.geteuid()
    except (OSError, RuntimeError):
        return False


def uv_variables(settings: str) -> "dict[str, str]":
    """Return the variables by which uv does as pip's settings say: the lines that `pip config list` prints.

    The section of a command wins over `global`, and PIP_* (`:env:`) over both, as in pip. The values may hold
    passwords, so they are handed over as variables and never printed.
    """
    # The hashes say which file is right, so any index may have it, as for pip.
    variables = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    if not owns_home():
        variables["UV_NO_CACHE"] = "1"  # under sudo, nothing of root's is left in the user's cache
    for section in ("global", "install", ":env:"):
        for name, value in re.findall(rf"^{section}\.([a-z-]+)=(.+)$", settings, re.MULTILINE):
            if name in UV_VARIABLES:
                separator = "," if name == "find-links" else " "
                variables[UV_VARIABLES[name]] = separator.join(ast.literal_eval(value).split())
    return variables


def synced_by_uv(lock: Path) -> bool:
    """Make the environment hold what the lock names and the project, no more; False where uv cannot."""
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
    """Install what the lock names, and the project, into a new environment."""
    say("pip installs it, in a minute or two")
    for what in ((*EXACTLY, "--no-deps", "--requirement", str(lock)), EDITABLE):
        code, words = run(*PIP_INSTALL, *what)
        if code != 0:
            hint = next(advice for sign, advice in HINTS if sign in words)
            raise SetupError(f"pip could not install what the lock names:\n{words}", hint)


def digest_of_inputs(dev: bool) -> str:
    """Return a hash of the files that say what is in the environment."""
    files = (LOCK, PROJECT, LOCK_DEV) if dev else (LOCK, PROJECT)
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def set_up(python: str, dev: bool) -> None:
    """Bring `.venv` to what the locks name; nothing but a look when it is there already."""
    began = time.time()
    wait_for_other_set_ups()
    dev = dev or READY_DEV.exists()
    wanted = [str(ROOT), version_of(python), digest_of_inputs(dev)]
    made_from = READY.read_text(encoding="utf-8").splitlines() if READY.exists() else []
    # Whole, and made for this folder by the Python that is in it, which stays unless another one was chosen.
    usable = made_from[:2] == [str(ROOT), version_of(str(PYTHON))]
    if usable and not os.environ.get("PYTHON"):
        wanted[1] = made_from[1]
    if made_from == wanted and usable:
        # A reader of somebody else's tree need not be able to write it.
        with contextlib.suppress(PermissionError):
            leave_stamps(wanted, dev, began)
        return
    # From here until the end it is not whole: a set-up that dies is recognised by what is missing.
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
            # What uv has left half done, or what an earlier lock named, would be in pip's way.
            make_venv(python)
            wanted[1] = version_of(python)
        install_by_pip(lock)
    leave_stamps(wanted, dev, began)
    say(f"done in {time.time() - began:.0f} s")


def leave_stamps(made_from: "list[str]", dev: bool, began: float) -> None:
    """Record that the environment is whole, as of the moment the lock files were about to be read.

    A lock edited during the set-up is then newer than the stamps, and make comes back for it.
    """
    path_in_make = str(ROOT).replace("$", "$$").replace("#", r"\#")
    HOME_NOTE.write_text(f"SET_UP_IN := {path_in_make}\n", encoding="utf-8")
    for stamp in (READY, READY_DEV) if dev else (READY,):
        partial = stamp.with_name(stamp.name + ".partial")
        partial.write_text("\n".join(made_from), encoding="utf-8")
        os.utime(str(partial), (began, began))
        partial.replace(stamp)


def main(own: str = sys.executable) -> int:
    """Set the environment up and return the exit code; every failure comes with what to do next."""
    try:
        set_up(suitable_python(own), dev="--dev" in sys.argv[1:])
    except SetupError as error:
        say(f"{error}\n  hint: {error.hint}")
        return error.code
    except OSError as error:
        say(f"{error}\n  hint: may {VENV} be written by this user, and is there room on the disk?")
        return 1
    except KeyboardInterrupt:
        say("interrupted; the next run begins it anew")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
