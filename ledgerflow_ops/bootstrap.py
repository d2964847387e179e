"""Make the project's Python environment: `.venv`, holding exactly what the lock files name.

Run by make with whatever Python the machine has, before anything is installed: the standard library alone.
It must load in a Python that is too old (3.6 on), to say so; so annotations with brackets stand in quotes.

In: `--dev` for the development tools as well; the lock files and pyproject.toml of this tree; the variable
PYTHON where somebody chose an interpreter. Out: a ready `.venv`, every word on stderr, and an exit code:
0 ready, 1 failed, 2 the machine's Python will not do.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements.lock"
LOCK_DEV = ROOT / "requirements-dev.lock"

# make compares the times of these two with the files they depend on; what they stand for is in READY.
READY = VENV / ".ready"
READY_DEV = VENV / ".ready-dev"
# Tells make which folder the environment was made for: its scripts hold that path.
HOME_NOTE = VENV / ".home.mk"

# Where an interpreter other than `python3` is looked for, best first.
OTHER_PYTHONS = ("python3.13", "python3.12", "python3.14", "python3.11")

# What pip says when it fails, and what to do about it.
PIP_HINTS = (
    ("DO NOT MATCH THE HASHES", "the index served other files than the lock names: see `pip config list`"),
    ("No space left on device", "make room on the disk, then run it again"),
    ("No matching distribution", "no network, or no file for this platform: see `pip config list`"),
    ("", "is the package index within reach? Proxies and mirrors are taken from pip's own configuration"),
)


class SetupError(Exception):
    """A reason why the environment cannot be made, what to do about it, and the exit code that says so."""

    def __init__(self, message: str, hint: str, code: int = 1) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code


def say(text: str) -> None:
    """Write one line for the person waiting; stdout belongs to the command that made the set-up necessary."""
    print(f"set-up: {text}", file=sys.stderr, flush=True)


def supported_versions() -> "tuple[tuple[int, ...], tuple[int, ...]]":
    """Return the oldest and the newest Python that has a ready-made wheel of every part on this machine."""
    if sys.platform == "darwin":
        return (3, 12), (3, 13)
    libc, version = platform.libc_ver()
    old_glibc = libc == "glibc" and tuple(int(part) for part in version.split(".")) < (2, 34)
    return ((3, 12) if old_glibc else (3, 11)), (3, 14)


def dotted(version: "tuple[int, ...]") -> str:
    """Return a version the way people write it."""
    return ".".join(str(part) for part in version)


def version_of(program: str) -> "tuple[int, ...]":
    """Ask an interpreter for its major and minor version; () when it does not run."""
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.check_output([program, "-I", "-c", question], stderr=subprocess.DEVNULL)
        return tuple(int(part) for part in answer.decode().split("."))
    except (OSError, ValueError, subprocess.CalledProcessError):
        return ()


def use_suitable_python() -> None:
    """Return when this Python will do; otherwise go on in one that does, or say which is needed."""
    oldest, newest = supported_versions()
    own = sys.version_info[:2]
    if oldest <= own <= newest:
        return
    chosen = os.environ.get("PYTHON")
    for name in () if chosen else OTHER_PYTHONS:
        program = shutil.which(name)
        if program and oldest <= version_of(program) <= newest:
            os.execv(program, [program, "-I", __file__, *sys.argv[1:]])  # noqa: S606  # a list, no shell
    raise SetupError(
        f"Python {dotted(oldest)} to {dotted(newest)} is needed; {chosen or 'python3'} is {dotted(own)}",
        f"install Python {dotted(min(newest, (3, 13)))}, or name one: make PYTHON=/path/to/python3",
        code=2,
    )


def require_venv_module() -> None:
    """Refuse a Python that cannot make virtual environments: Debian and Ubuntu ship that part separately."""
    if importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip"):
        return
    package = f"python{dotted(sys.version_info[:2])}-venv"
    raise SetupError(
        f"{sys.executable} cannot make virtual environments: its ensurepip part is not installed",
        f"on Debian or Ubuntu: apt install python3-venv (or {package})",
        code=2,
    )


@contextlib.contextmanager
def sole_set_up() -> "Iterator[int]":
    """Hold the right to change the environment, waiting for another set-up; yield what holds it.

    The children inherit it: where this process is killed, a pip that lives on still keeps the next one out.
    The lock lies on the project's folder itself, so nothing is left behind and `.venv` can be replaced.
    """
    folder = os.open(str(ROOT), os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up is at work in this folder; waiting for it")
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(folder)


def digest(path: Path) -> str:
    """Return the hash of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def project_digest() -> str:
    """Return the hash of what pyproject.toml says about installing; tool settings do not count."""
    import tomllib  # since 3.11: only where an old Python has been refused

    tables = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    installed = {name: tables.get(name) for name in ("build-system", "project")}
    return hashlib.sha256(json.dumps(installed, sort_keys=True).encode()).hexdigest()


def found_state() -> "dict[str, str]":
    """Return what the present environment was made from; {} where there is none that is whole."""
    try:
        state: dict[str, str] = json.loads(READY.read_text(encoding="utf-8"))
        whole = version_of(str(VENV_PYTHON)) == tuple(int(part) for part in state["python"].split("."))
        return state if whole and Path(state["root"]).samefile(ROOT) else {}
    except (OSError, ValueError, KeyError):
        return {}


def wanted_state(found: "dict[str, str]", dev: bool) -> "dict[str, str]":
    """Return what the environment is to be made from, keeping the Python and the tools it already has."""
    keep_python = found and not os.environ.get("PYTHON")
    state = {
        "root": str(ROOT),
        "python": found["python"] if keep_python else dotted(sys.version_info[:2]),
        "lock": digest(LOCK),
        "project": project_digest(),
    }
    if dev or "dev" in found:
        state["dev"] = digest(LOCK_DEV)
    return state


def steps_needed(found: "dict[str, str]", wanted: "dict[str, str]") -> "list[str]":
    """Return what has to be done to get from one state to the other: "venv", "packages", "project".

    A package that left a lock would linger, so a changed lock begins anew; tools are added to what is there.
    """
    changed = {key for key in wanted if found.get(key) != wanted[key]} - {"root"}
    if not found or changed & {"python", "lock"} or ("dev" in changed and "dev" in found):
        return ["venv", "packages", "project"]
    return [step for step, key in (("packages", "dev"), ("project", "project")) if key in changed]


def make_venv(held: int) -> None:
    """Make `.venv` anew, empty but for pip."""
    require_venv_module()
    # Not the name `python3`, which may become another version: its own file, which at worst disappears.
    base = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    code, words = run(held, [base, "-I", "-m", "venv", "--clear", str(VENV)])
    if code != 0:
        raise SetupError(f"{VENV} could not be made:\n{words}", "the lines above say why")


def install_packages(held: int, lock: Path) -> None:
    """Install what a lock names: each file by its hash, nothing that would have to be compiled."""
    count = sum("==" in line for line in lock.read_text(encoding="utf-8").splitlines())
    say(f"installing the Python environment, about {count} packages; a minute or two, once")
    pip(held, "--require-hashes", "--only-binary=:all:", "--no-deps", "--requirement", str(lock))


def install_project(held: int) -> None:
    """Put the project itself, as it stands in this folder, into the environment; nothing is fetched."""
    pip(held, "--no-deps", "--no-index", "--no-build-isolation", "--editable", str(ROOT))


def pip(held: int, *arguments: str) -> None:
    """Run `pip install` in the environment, or say what it said and what to do about it."""
    always = ["--no-input", "--no-user", "--progress-bar=off", "--disable-pip-version-check"]
    code, words = run(held, [str(VENV_PYTHON), "-I", "-m", "pip", "install", *always, *arguments])
    if code != 0:
        hint = next(advice for sign, advice in PIP_HINTS if sign in words)
        raise SetupError(f"pip could not install what the lock names:\n{words}", hint)


def run(held: int, command: "list[str]") -> "tuple[int, str]":
    """Run a program that inherits the lock; return its exit code and the last lines of what it wrote."""
    last: deque[str] = deque(maxlen=12)
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(held,),
        encoding="utf-8",
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            last.append(line.rstrip())
            show_progress(line)
    show_progress("")
    return process.returncode, "\n".join(last)


def show_progress(line: str) -> None:
    """Show a terminal what pip is at, on one line that is written over; an empty line clears it."""
    if not sys.stderr.isatty() or (line and not line.startswith(("Collecting", "Installing"))):
        return
    text = (
        f"set-up: fetching {line.split()[1]}"
        if line.startswith("Collecting")
        else line and "set-up: unpacking"
    )
    print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def set_up(dev: bool) -> None:
    """Bring `.venv` to what the locks name; nothing but two glances when it is there already."""
    began = time.time()
    with sole_set_up() as held:
        found = found_state()
        wanted = wanted_state(found, dev)
        steps = steps_needed(found, wanted)
        if "venv" in steps and VENV.exists():
            say("what is in .venv is unfinished, out of date or from another folder; making it anew")
        if steps:
            # From here until the end it is not whole: a set-up that dies is recognised by what is missing.
            for stamp in (READY_DEV, READY):
                stamp.unlink(missing_ok=True)
        if "venv" in steps:
            make_venv(held)
            wanted["python"] = dotted(sys.version_info[:2])
        if "packages" in steps:
            install_packages(held, LOCK_DEV if "dev" in wanted else LOCK)
        if "project" in steps:
            install_project(held)
        # Where all is well already, a reader of somebody else's tree need not be able to write it.
        with contextlib.suppress(*() if steps else (PermissionError,)):
            leave_stamps(wanted, began)
    if "packages" in steps:
        say(f"done in {time.time() - began:.0f} s")


def leave_stamps(state: "dict[str, str]", began: float) -> None:
    """Record that the environment is whole, as of the moment the lock files were about to be read.

    A lock edited during the set-up is then newer than the stamps, and make comes back for it.
    """
    path_in_make = str(ROOT).replace("$", "$$").replace("#", r"\#")
    HOME_NOTE.write_text(f"SET_UP_IN := {path_in_make}\n", encoding="utf-8")
    stamps = [READY, READY_DEV] if "dev" in state else [READY]
    for stamp in stamps:
        partial = stamp.with_name(stamp.name + ".partial")
        partial.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
        os.utime(str(partial), (began, began))
        partial.replace(stamp)


def main() -> int:
    """Set the environment up and return the exit code; every failure comes with what to do next."""
    try:
        use_suitable_python()
        set_up(dev="--dev" in sys.argv[1:])
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
