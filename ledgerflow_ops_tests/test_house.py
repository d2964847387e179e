"""The house rules, checked on the sources: which part may import which, and which may reach outside."""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PRODUCT = PROJECT / "ledgerflow_ops"
MODULES = {path.relative_to(PRODUCT).as_posix(): path for path in sorted(PRODUCT.rglob("*.py"))}
LONGEST = 350
FULLEST = 20
"""So many modules, its `__init__` left out, may lie in one folder."""

BELOW: dict[str, set[str]] = {
    "bootstrap": set(),
    "core": set(),
    "places": set(),
    "values": {"core", "places"},
    "sections": {"core", "values"},
    "location_settings": {"core", "places", "values"},
    "config": {"core", "places", "values", "sections", "location_settings"},
    "console": {"core", "progress_display"},
    "progress_display": {"core"},
    "sample": {"core"},
    "adapters": {"core"},
    "operations": {
        "core",
        "adapters",
        "sample",
        "places",
        "values",
        "sections",
        "location_settings",
        "config",
    }
    | {"console"},
    "defs": {"core", "adapters", "places", "values", "location_settings", "config", "console", "operations"},
    "guard": {"core", "adapters", "places", "values", "config", "operations"},
    "commands": {"core", "adapters", "places", "config", "console", "operations", "defs", "guard"},
    "cli": {"commands"},
    "definitions": {"config", "defs"},
}
"""What each part of the product may import beside itself: core ← adapters ← operations ← the rest."""

WAITING = {
    "adapters/system/clock.py": "times phases and paces reports",
    "adapters/cluster/cluster.py": "waits for a server to go down",
    "adapters/cluster/server_start.py": "waits for a server to come up",
    "adapters/services/notifications.py": "waits for channels to take a message, for so long and no longer",
    "console.py": "paces the progress bar",
    "progress_display.py": "measures the rate of the work",
    "operations/servers/web_servers.py": "waits for the web server to answer",
}
"""The modules that may wait or measure (monotonic, perf_counter, sleep), and why."""
CLOCKS = {
    "adapters/system/clock.py": "it is the clock",
    "bootstrap.py": "runs before the project can be imported, and reports how long the set-up took",
}
STARTERS = {
    "adapters/system/process.py": "it is where programs are started",
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
    "guard/recoverability.py",
    "guard/pipeline.py",
    "guard/protection/installation.py",
    "guard/protection/protected_objects.py",
    "guard/audit_log.py",
    "guard/quick.py",
    "guard/resolve.py",
    "guard/command_line/standard_input.py",
    "guard/wrapper.py",
}
"""The modules of guard that touch the world; all others decide, the same as core."""
HEAVY = {"click", "dagster", "pandas", "psycopg", "pydantic", "pydantic_settings", "rich"}
"""What takes longer to import than docker takes to answer."""


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"), module)


@cache
def nodes(module: str) -> tuple[ast.AST, ...]:
    """Every node of a module's syntax tree."""
    return tuple(ast.walk(tree(module)))


def part(module: str) -> str:
    """The top-level part of the product that a module belongs to, in whatever sub-package it lies."""
    return module.split("/")[0].removesuffix(".py")


def imports(module: str) -> Iterator[str]:
    """The full names of all that a module imports, wherever in it; a relative import begins with a dot."""
    for node in nodes(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            yield from (f"{start}.{alias.name}" for alias in node.names)


def roots(module: str) -> set[str]:
    """The top-level names of all that a module imports."""
    return {name.split(".")[0] for name in imports(module)}


def own_parts(module: str) -> set[str]:
    """The parts of the product that a module imports."""
    return {name.split(".")[1] for name in imports(module) if name.startswith("ledgerflow_ops.")}


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
    for node in nodes(module):
        if isinstance(node, ast.Attribute) and (name := dotted(node)):
            yield name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def calls(module: str) -> Iterator[tuple[str, int]]:
    """Every plain name that a module calls, with its line."""
    for node in nodes(module):
        if isinstance(node, ast.Call) and (name := dotted(node.func)):
            yield name, node.lineno


def require_none(offenders: Iterable[str]) -> None:
    """Fail with all that break a rule, a line each."""
    listed = sorted(offenders)
    assert not listed, "\n".join(("", *listed))


def test_the_house_is_found() -> None:
    assert {
        "core/comparison/dump_content.py",
        "adapters/system/process.py",
        "defs/build.py",
        "cli.py",
    } <= set(MODULES)


def imported_against_the_rule(module: str) -> set[str]:
    """What a module imports and may not."""
    wrong = {name for name in imports(module) if name.startswith(".")}
    if part(module) == "__init__":
        return wrong | set(imports(module))
    return (
        wrong
        | (own_parts(module) - BELOW[part(module)] - {part(module)})
        | (roots(module) & {"ledgerflow_ops_tests"})
    )


def test_imports_run_one_way() -> None:
    require_none(
        f"{module} imports {name}" for module in MODULES for name in imported_against_the_rule(module)
    )


def packages_imported(module: str) -> set[str]:
    """The packages of the product that a module takes something from."""
    known = {
        path.removesuffix("/__init__.py").removesuffix(".py").replace("/", "."): path for path in MODULES
    }
    names = {name.removeprefix("ledgerflow_ops.") for name in imports(module)}
    paths = {known.get(name) or known.get(name.rpartition(".")[0]) for name in names}
    return {package(path) for path in paths if path}


def package(module: str) -> str:
    """The sub-package that a module lies in; one at the root of its part is a package of its own."""
    folders = module.split("/")[:-1]
    return "/".join(folders[:2]) if len(folders) > 1 else module


def cycle(graph: Mapping[str, set[str]]) -> list[str]:
    """Names that lead round to the first of them; empty where there is no way round."""
    left = {name: after & set(graph) - {name} for name, after in graph.items()}
    while free := [name for name, after in left.items() if not after & set(left)]:
        for name in free:
            del left[name]
    way = [min(left)] if left else []
    while way and way[-1] not in way[:-1]:
        way.append(min(left[way[-1]] & set(left)))
    return way[way.index(way[-1]) :] if way else []


@pytest.mark.parametrize("room", ["core", "adapters"])
def test_no_imports_run_in_a_circle(room: str) -> None:
    graph: dict[str, set[str]] = {}
    for module in MODULES:
        if part(module) == room and module != f"{room}/__init__.py":
            graph.setdefault(package(module), set()).update(packages_imported(module))
    found = cycle(graph)
    assert not found, " → ".join(found)


def test_a_circle_is_found() -> None:
    assert cycle({"a": {"b", "a"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}) == ["b", "c", "b"]
    assert cycle({"a": {"b", "a"}, "b": {"c", "x"}, "c": set()}) == []


SLOW = {"altair", "apprise", "dagster_webserver", "numpy", "pandas", "uvicorn", "vl_convert"}
"""What takes long to import and few functions need: each of them imports it itself."""


def imports_at_once(body: Iterable[ast.stmt]) -> Iterator[tuple[str, int]]:
    """The top-level names that are imported when a module is, with their lines; those for types are not."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0], node.lineno
        elif isinstance(node, ast.If) and dotted(node.test).endswith("TYPE_CHECKING"):
            yield from imports_at_once(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for field in ("body", "orelse", "finalbody", "handlers"):
                yield from imports_at_once(getattr(node, field, ()))


def test_what_is_slow_to_import_is_imported_where_it_is_used() -> None:
    require_none(
        f"{module}:{line} imports {name}"
        for module in MODULES
        for name, line in imports_at_once(tree(module).body)
        if name in SLOW
    )


def test_an_import_at_once_is_found() -> None:
    text = """
import a.b
if TYPE_CHECKING:
    import for_types
else:
    from c import d
try:
    import e
except ImportError:
    import f
class Some:
    import g
    def later(self) -> None:
        import h
"""
    assert [name for name, _ in imports_at_once(ast.parse(text).body)] == ["a", "c", "e", "f", "g"]


def test_only_the_definitions_know_dagster() -> None:
    require_none(
        f"{module} imports {name}"
        for module in MODULES
        for name in roots(module)
        if name.startswith("dagster") and part(module) != "defs"
    )


PURE = [
    module
    for module in MODULES
    if part(module) == "core" or (part(module) == "guard" and module not in REACHING)
]
TOUCHING = {"open", "print", "input", "exec", "eval", "__import__"}


def test_what_decides_touches_nothing_of_the_world() -> None:
    imported = [f"{module} imports {name}" for module in PURE for name in roots(module) & WORLD]
    called = [
        f"{module}:{line} calls {name}" for module in PURE for name, line in calls(module) if name in TOUCHING
    ]
    require_none(imported + called)


def test_core_needs_nothing_but_the_standard_library_records_and_digests() -> None:
    """So it is light to import: no data frames, no drivers, no terminal."""
    allowed = sys.stdlib_module_names | {"ledgerflow_ops", "pydantic", "xxhash"}
    require_none(
        f"{module} imports {name}"
        for module in MODULES
        if part(module) == "core"
        for name in roots(module) - allowed
    )


HINTS = "core/hints.py"
LIGHT = ("ledgerflow_ops.guard.", "ledgerflow_ops.core.hints.")


def test_the_pure_modules_of_guard_start_quickly() -> None:
    """Of the rest of the product they import `core.hints` alone, which itself imports nothing of ours."""
    pure = [module for module in PURE if part(module) == "guard"]
    ours = [
        f"{module} imports {name}"
        for module in pure
        for name in imports(module)
        if name.startswith("ledgerflow_ops.") and not name.startswith(LIGHT)
    ]
    heavy = [f"{module} imports {name}" for module in (*pure, HINTS) for name in roots(module) & HEAVY]
    require_none([*ours, *heavy, *(f"{HINTS} imports {name}" for name in own_parts(HINTS))])


def annotations(module: str) -> set[ast.AST]:
    """Every node inside an annotation."""
    found: set[ast.AST] = set()
    for node in nodes(module):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation:
            found.update(ast.walk(node.annotation))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns:
            found.update(ast.walk(node.returns))
    return found


def starts_of_programs(module: str) -> Iterator[str]:
    """Where a module starts a program, or imports what does."""
    types = annotations(module)
    for node in nodes(module):
        if not isinstance(node, ast.Attribute) or dotted(node.value) != "subprocess":
            continue
        if node.attr not in ("PIPE", "DEVNULL") and node not in types:
            yield f"{module}:{node.lineno}: subprocess.{node.attr}"
    for name, line in names(module):
        root, _, last = name.partition(".")
        if root == "os" and last.startswith(("system", "popen", "exec", "spawn", "posix_spawn", "fork")):
            yield f"{module}:{line}: {name}"
    for name in imports(module):
        if name.startswith(("subprocess.", "multiprocessing", "pty")):
            yield f"{module} imports {name}"


def test_programs_are_started_in_one_place() -> None:
    require_none(
        start for module in MODULES if module not in STARTERS for start in starts_of_programs(module)
    )


def reads_the_clock(name: str) -> bool:
    owner, _, last = name.rpartition(".")
    if owner.split(".")[-1] in ("datetime", "date"):
        return last in ("now", "utcnow", "today")
    return owner == "time" and last not in ("monotonic", "perf_counter", "sleep")


def waits(name: str) -> bool:
    return name.startswith("time.") and not reads_the_clock(name)


def test_the_clock_is_read_in_one_place() -> None:
    used = [(module, line, name) for module in MODULES for name, line in names(module)]
    require_none(
        f"{module}:{line}: {name}"
        for module, line, name in used
        if (reads_the_clock(name) and module not in CLOCKS) or (waits(name) and module not in WAITING)
    )


def test_the_lists_of_exceptions_are_not_longer_than_they_need_be() -> None:
    for module in (*STARTERS, *CLOCKS, *WAITING):
        used = {*imports(module), *(name for name, _ in names(module))}
        assert {"time", "subprocess", "os.execv"} & used, module


def test_every_module_says_what_it_is_for() -> None:
    require_none(f"{module} has no docstring" for module in MODULES if not ast.get_docstring(tree(module)))


SUB_PACKAGES = [module for module in MODULES if module.endswith("/__init__.py") and module.count("/") > 1]


def test_the_init_of_a_sub_package_is_one_docstring() -> None:
    require_none(
        f"{module} is more than a docstring" for module in SUB_PACKAGES if len(tree(module).body) > 1
    )


def test_every_module_is_short() -> None:
    lengths = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in MODULES.items()}
    require_none(f"{module} has {lines} lines" for module, lines in lengths.items() if lines >= LONGEST)


def test_no_folder_is_too_full() -> None:
    folders = Counter(
        Path(module).parent.as_posix() for module in MODULES if not module.endswith("__init__.py")
    )
    require_none(f"{folder} has {number} modules" for folder, number in folders.items() if number > FULLEST)


def test_only_the_bootstrap_prints() -> None:
    require_none(
        f"{module}:{line}"
        for module in MODULES
        for name, line in calls(module)
        if name == "print" and module != "bootstrap.py"
    )


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


def too_long(file: Path) -> Iterator[str]:
    """The lines of a document beyond 100 columns. Tables, code and lines of one code span may be longer."""
    code = False
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        code ^= line.lstrip().startswith("```")
        if len(line) > 100 and not code and not re.match(r"\||!\[|\s*`[^`]+`\S*( .*)?$", line):
            yield f"{file.relative_to(PROJECT)}:{number}: {len(line)} columns"


def test_documents_are_wrapped_at_100_columns() -> None:
    documents = [*PROJECT.glob("*.md"), *sorted((PROJECT / "docs").rglob("*.md"))]
    assert len(documents) > 30
    require_none(line for file in documents for line in too_long(file))


def walks() -> dict[str, list[str]]:
    """The modules that each of CONTRIBUTING's three walks names, in their order, by the walk's heading."""
    text = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.split("\n## Three walks\n")[1].split("\n## ")[0]
    parts = section.split("\n### ")
    return {part.splitlines()[0]: re.findall(r"`([a-z_/]+\.py)`", part) for part in parts[1:]}


def test_the_walks_lead_through_modules_that_exist() -> None:
    found = walks()
    assert len(found) == 3
    require_none(
        f"{walk} names {name}" for walk, named in found.items() for name in named if name not in MODULES
    )
    assert all(len(named) > 8 for named in found.values())


def built_names(module: str) -> Iterator[str]:
    """Where a module puts a name of Dagster's together: an f-string with `_` after a value."""
    for node in nodes(module):
        if isinstance(node, ast.JoinedStr):
            for value, following in pairwise(node.values):
                text = following.value if isinstance(following, ast.Constant) else ""
                if isinstance(value, ast.FormattedValue) and str(text).startswith("_"):
                    yield f"{module}:{node.lineno}: {ast.unparse(node)}"


def test_names_that_dagster_knows_are_built_in_one_place() -> None:
    require_none(
        name
        for module in MODULES
        if part(module) in ("defs", "commands") and module != "defs/names.py"
        for name in built_names(module)
    )
