"""The rules of the house, read off the sources: who may import whom, and who may touch the world."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PRODUCT = PROJECT / "ledgerflow_ops"
MODULES = {path.relative_to(PRODUCT).as_posix(): path for path in sorted(PRODUCT.rglob("*.py"))}
LONGEST = 350

BELOW: dict[str, set[str]] = {
    "bootstrap": set(),
    "core": set(),
    "places": set(),
    "values": {"core", "places"},
    "sections": {"core", "values"},
    "config": {"core", "places", "values", "sections"},
    "console": {"core"},
    "sample": {"core"},
    "adapters": {"core"},
    "operations": {"core", "adapters", "sample", "places", "values", "sections", "config", "console"},
    "defs": {"core", "adapters", "places", "values", "config", "console", "operations"},
    "guard": {"core", "adapters", "places", "values", "config", "operations"},
    "commands": {"core", "adapters", "config", "console", "operations", "defs", "guard"},
    "cli": {"commands"},
    "definitions": {"config", "defs"},
}
"""What each part of the product may import beside itself: core ← adapters ← operations ← the rest."""

WAITING = {
    "adapters/clock.py": "times phases and paces reports",
    "adapters/cluster.py": "waits for a server to come up or go down",
    "adapters/notify.py": "waits for channels to take a message, for so long and no longer",
    "console.py": "paces the progress line",
    "operations/servers.py": "waits for the web server to answer",
}
"""The modules that may wait or measure (monotonic, perf_counter, sleep), and why."""
CLOCKS = {
    "adapters/clock.py": "it is the clock",
    "bootstrap.py": "runs before the project can be imported, and tells how long the set-up took",
}
STARTERS = {
    "adapters/process.py": "it is where programs are started",
    "bootstrap.py": "runs before the project can be imported, and calls the installer",
    "guard/exec.py": "becomes the real docker",
}
WORLD = {
    "asyncio", "dagster", "fcntl", "filelock", "glob", "http", "io", "multiprocessing", "os", "pathlib",
    "psutil", "psycopg", "random", "secrets", "shutil", "signal", "socket", "subprocess", "sys", "tempfile",
    "threading", "time", "urllib",
}  # fmt: skip

REACHING = {
    "guard/exec.py",
    "guard/fallback.py",
    "guard/hearing.py",
    "guard/installation.py",
    "guard/protect.py",
    "guard/protection.py",
    "guard/notes.py",
    "guard/resolve.py",
    "guard/standardinput.py",
    "guard/wrapper.py",
}
"""The modules of guard that touch the world; all others decide, the same as core."""
HEAVY = {"click", "dagster", "pandas", "psycopg", "pydantic", "pydantic_settings", "rich"}
"""What takes longer to import than docker takes to answer."""


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"), module)


def part(module: str) -> str:
    """The part of the product that a module belongs to."""
    return module.split("/")[0].removesuffix(".py")


def imports(module: str) -> Iterator[str]:
    """The full names of all that a module imports, wherever in it."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def dotted(node: ast.AST) -> str:
    """`a.b.c` as it is written; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return ""


def names(module: str) -> Iterator[tuple[str, int]]:
    """Every dotted name that a module uses or imports, with its line."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Attribute) and (name := dotted(node)):
            yield name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def calls(module: str) -> Iterator[tuple[str, int]]:
    """Every plain name that a module calls, with its line."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Call) and (name := dotted(node.func)):
            yield name, node.lineno


def test_the_house_is_found() -> None:
    assert {"core/content.py", "adapters/process.py", "defs/build.py", "cli.py"} <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_one_way(module: str) -> None:
    own = part(module)
    if own == "__init__":
        assert not list(imports(module))
        return
    used = {name.split(".")[1] for name in imports(module) if name.startswith("ledgerflow_ops.")}
    assert used <= BELOW[own] | {own}
    assert "ledgerflow_ops_tests" not in {name.split(".")[0] for name in imports(module)}


@pytest.mark.parametrize("module", MODULES)
def test_only_the_definitions_know_dagster(module: str) -> None:
    if part(module) != "defs":
        roots = {name.split(".")[0] for name in imports(module)}
        assert not {root for root in roots if root.startswith("dagster")}


PURE = [
    module
    for module in MODULES
    if part(module) == "core" or (part(module) == "guard" and module not in REACHING)
]


@pytest.mark.parametrize("module", PURE)
def test_what_decides_touches_nothing_of_the_world(module: str) -> None:
    assert not {name.split(".")[0] for name in imports(module)} & WORLD
    assert not {name for name, _ in calls(module)} & {"open", "print", "input", "exec", "eval", "__import__"}


@pytest.mark.parametrize("module", [module for module in PURE if part(module) == "guard"])
def test_the_pure_modules_of_guard_start_quickly(module: str) -> None:
    assert not {name.split(".")[0] for name in imports(module)} & HEAVY
    used = {name.split(".")[1] for name in imports(module) if name.startswith("ledgerflow_ops.")}
    assert used <= {"guard"}


def annotations(module: str) -> set[ast.AST]:
    """Every node inside an annotation."""
    found: set[ast.AST] = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation:
            found.update(ast.walk(node.annotation))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns:
            found.update(ast.walk(node.returns))
    return found


@pytest.mark.parametrize("module", MODULES)
def test_programs_are_started_in_one_place(module: str) -> None:
    if module in STARTERS:
        return
    types = annotations(module)
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Attribute) and dotted(node.value) == "subprocess":
            allowed = node.attr in ("PIPE", "DEVNULL") or node in types
            assert allowed, f"{module}:{node.lineno}: subprocess.{node.attr}"
    for name, line in names(module):
        root, _, last = name.partition(".")
        starts = root == "os" and last.startswith(("system", "popen", "exec", "spawn", "posix_spawn", "fork"))
        assert not starts, f"{module}:{line}: {name}"
    assert not [
        name for name in imports(module) if name.startswith(("subprocess.", "multiprocessing", "pty"))
    ]


def reads_the_clock(name: str) -> bool:
    owner, _, last = name.rpartition(".")
    if owner.split(".")[-1] in ("datetime", "date"):
        return last in ("now", "utcnow", "today")
    return owner == "time" and last not in ("monotonic", "perf_counter", "sleep")


@pytest.mark.parametrize("module", MODULES)
def test_the_clock_is_read_in_one_place(module: str) -> None:
    found = [f"{module}:{line}: {name}" for name, line in names(module) if reads_the_clock(name)]
    assert module in CLOCKS or not found, found
    waits = [name for name, _ in names(module) if name.startswith("time.") and not reads_the_clock(name)]
    assert module in WAITING or not waits, waits


def test_the_lists_of_exceptions_are_not_longer_than_they_need_be() -> None:
    for module in (*STARTERS, *CLOCKS, *WAITING):
        used = {*imports(module), *(name for name, _ in names(module))}
        assert {"time", "subprocess", "os.execv"} & used, module


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is_for_and_is_short(module: str) -> None:
    assert ast.get_docstring(tree(module)), f"{module} has no docstring"
    lines = len(MODULES[module].read_text(encoding="utf-8").splitlines())
    assert lines < LONGEST, f"{module} has {lines} lines"


@pytest.mark.parametrize("module", [module for module in MODULES if module != "bootstrap.py"])
def test_only_the_bootstrap_prints(module: str) -> None:
    assert not [line for name, line in calls(module) if name == "print"]


def tracked() -> Iterator[tuple[str, bytes]]:
    """The files that git keeps, with what is in them now."""
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"], cwd=PROJECT, capture_output=True, check=True
    )
    for name in listing.stdout.decode().split("\0"):
        if name and (PROJECT / name).is_file():
            yield name, (PROJECT / name).read_bytes()


def test_no_file_names_a_package_registry_or_somebodys_home() -> None:
    hosts = ["".join(("py", "pi.", "org")), "".join(("python", "hosted"))]
    homes = [f"/{folder}/" for folder in ("root", "home")]
    needles = [needle.encode() for needle in (*hosts, *homes)]
    found = [(name, needle) for name, data in tracked() for needle in needles if needle in data]
    assert not found
