"""The effects of programs that work on files, which depend on the paths."""

import re
from collections.abc import Callable, Sequence

from ledgerflow_ops.guard.inside import paths
from ledgerflow_ops.guard.inside.effects import (
    Finding,
    Surroundings,
    changes,
    destroys,
    opaque,
    reads,
    unread,
    worst,
)
from ledgerflow_ops.guard.inside.options import Unreadable, names, parse

Program = Callable[[Sequence[str], Surroundings], Finding]

HARMLESS = names(
    """
    ls cat head tail wc grep egrep fgrep stat du df ps top id whoami hostname uname date echo printf
    pwd true false sleep printenv which whereis basename dirname readlink realpath md5sum sha1sum
    sha256sum sha512sum cksum cmp diff free uptime nproc getent locale tty test [ seq cut tr nl od
    hexdump strings expr groups lsof netstat ping nslookup dig zcat comm join paste fold column sync
    cal arch logname users who pgrep pidof vmstat iostat lscpu lsblk rev tac expand numfmt factor
    sum
    """
)
"""Programs that change no files or databases, whatever their arguments."""
_LOSES = {
    "rm": "removes",
    "rmdir": "removes",
    "unlink": "removes",
    "shred": "overwrites",
    "truncate": "cuts off",
    "mv": "moves",
    "install": "writes",
    "ln": "links",
    "tee": "writes",
    "unzip": "unpacks into",
    "gunzip": "replaces",
    "gzip": "replaces",
    "zstd": "replaces",
    "xz": "replaces",
    "bzip2": "replaces",
    "fallocate": "punches holes into",
    "mkfifo": "makes",
}
"""Every path in their arguments counts, read or written, and so does the folder they run in."""
_ALTERS = {"chmod": "sets modes of", "chown": "sets the owner of", "chgrp": "sets the group of"}
_TOUCHES = {"touch": "touches", "mkdir": "makes", "setfacl": "sets rights of"}
_HERE = ("unzip",)
_SED = re.compile(
    r"(?:\d*,?[\d$]*[pdq=]|s([/|,#])(?:(?!\1)[^\\\n]|\\[^\n])*\1(?:(?!\1)[^\\\n]|\\[^\n])*\1[gpi\d]*)"
)
_AWK_ACTS = re.compile(r"system|getline|[|>@]")


def _targets(args: Sequence[str]) -> tuple[str, ...]:
    """Everything that may be a path: operands, and what is attached to options."""
    targets = []
    only_operands = False
    for arg in args:
        if only_operands or not arg.startswith("-"):
            targets.append(arg)
        elif "=" in arg:
            targets.append(arg.partition("=")[2])
        elif "/" in arg:
            targets.append(arg[arg.index("/") :])
        only_operands = only_operands or arg == "--"
    return tuple(targets)


def _losing(name: str) -> Program:
    def program(args: Sequence[str], around: Surroundings) -> Finding:
        targets = (*_targets(args), ".") if name in _HERE else _targets(args)
        return paths.acts(_LOSES[name], targets, around)

    return program


def _altering(what: str) -> Program:
    def program(args: Sequence[str], around: Surroundings) -> Finding:
        for path in _targets(args):
            if paths.affected(path, around):
                return changes(f"{what} {path}, which the server may then refuse")
        return reads(f"{what} {' '.join(_targets(args))}, away from the data")

    return program


_CP = """
    a|archive b backup? f|force i|interactive H l|link L|dereference n|no-clobber P|no-dereference p
    preserve? parents R r|recursive S|suffix= t|target-directory= T|no-target-directory u update? v|verbose
    x|one-file-system d
"""


def _cp(args: Sequence[str], around: Surroundings) -> Finding:
    """Sources are only read, unless the options cannot be read: then any may be the target."""
    try:
        given = parse(args, _CP)
    except Unreadable:
        return paths.acts("copies onto", _targets(args), around)
    if given.has("link"):
        return paths.acts("links", given.operands, around)
    return paths.acts("copies onto", given.values("target-directory") or given.operands[-1:], around)


def _dd(args: Sequence[str], around: Surroundings) -> Finding:
    outputs = tuple(arg.removeprefix("of=") for arg in args if arg.startswith("of="))
    return paths.acts("writes onto", outputs, around)


_TAR = """
    c|create t|list x|extract get C|directory= f|file= v|verbose z|gzip j|bzip2 J|xz zstd p
    preserve-permissions O|to-stdout exclude= strip-components= same-owner no-same-owner
"""


def _tar(args: Sequence[str], around: Surroundings) -> Finding:
    """Listing reads; packing writes its file; unpacking writes into its folder."""
    if not around.data:
        return reads("packs or unpacks files")
    try:
        given = parse(_dashed(args), _TAR)
    except Unreadable as trouble:
        return unread(f"tar would get arguments that cannot be read: {trouble}")
    folders = given.values("directory")
    if given.has("list"):
        return reads("lists an archive")
    if given.has("create") and not given.has("extract", "get"):
        return worst((paths.written(path, around) for path in given.values("file")), "packs files")
    if len(folders) > 1:
        return destroys("unpacks into nested relative folders")
    return paths.acts("unpacks into", folders or (".",), around)


def _dashed(args: Sequence[str]) -> Sequence[str]:
    """tar's arguments with a dash before the first, which its old style leaves out."""
    if not args or args[0].startswith("-"):
        return args
    if any(letter in args[0][:-1] for letter in "fCXbNVLTgHIKF"):
        raise Unreadable(args[0])
    return (f"-{args[0]}", *args[1:])


_SED_FLAGS = re.compile(r"-n|-E|-r|-nE|-u|(-i[\w.]*|--in-place(?:=[\w.]*)?)")


def _sed(args: Sequence[str], around: Surroundings) -> Finding:
    """Prints, or edits in place; its scripts can do more, and then are not read."""
    flags = [_SED_FLAGS.fullmatch(arg) for arg in args if arg.startswith("-")]
    operands = [arg for arg in args if not arg.startswith("-")]
    if not all(flags) or not operands or not _SED.fullmatch(operands[0]):
        return opaque("runs a script of sed", around)
    if any(flag and flag[1] for flag in flags):
        return paths.acts("edits", tuple(operands[1:]), around)
    return reads("prints lines")


def _awk(args: Sequence[str], around: Surroundings) -> Finding:
    plain = all(re.fullmatch(r"-F.*|-v", arg) for arg in args if arg.startswith("-"))
    if plain and not any(_AWK_ACTS.search(arg) for arg in args):
        return reads("prints lines")
    return opaque("runs a script of awk", around)


def _pager(args: Sequence[str], around: Surroundings) -> Finding:
    del args
    return changes("opens a pager, from which commands can be run") if around.terminal else reads("prints")


def _writer(args: Sequence[str], around: Surroundings) -> Finding:
    """Prints, or writes the file that an option names."""
    if any(arg.startswith("--co") for arg in args):
        return opaque("runs a program to compress with", around)
    return paths.acts("may write", _targets(args), around)


def _disk(args: Sequence[str], around: Surroundings) -> Finding:
    if not args:
        return reads("shows what is mounted")
    return opaque("works on a disk as a whole", around)


def _signal(args: Sequence[str], around: Surroundings) -> Finding:
    del around
    if args and args[0] == "-l":
        return reads("lists signals")
    return changes("sends a signal to a program")


def _curl(args: Sequence[str], around: Surroundings) -> Finding:
    """Fetching a page reads; other options of curl may send or write."""
    plain = all(re.fullmatch(r"-[fsSkvL]+|--fail|--silent|https?://\S+", arg) for arg in args)
    return reads("asks for a page") if plain else opaque("runs curl", around)


def _nc(args: Sequence[str], around: Surroundings) -> Finding:
    """-z only asks whether a port answers."""
    plain = args[:1] in (("-z",), ("-zv",), ("-vz",)) and not any(arg.startswith("-") for arg in args[1:])
    return reads("asks whether a port answers") if plain else opaque("runs nc", around)


def _checker(args: Sequence[str], around: Surroundings) -> Finding:
    """Works on source files; that harms nothing where no data lies."""
    del args
    return opaque("works on files", around) if around.data else reads("works on files, away from the data")


PROGRAMS: dict[str, Program] = {
    **{name: _losing(name) for name in _LOSES},
    **{name: _altering(what) for name, what in {**_ALTERS, **_TOUCHES}.items()},
    **dict.fromkeys(("less", "more", "most"), _pager),
    **dict.fromkeys(("sort", "uniq", "xxd", "tree", "file", "base64", "jq"), _writer),
    **dict.fromkeys(("mount", "umount"), _disk),
    **dict.fromkeys(("kill", "pkill", "killall"), _signal),
    **dict.fromkeys(("awk", "gawk", "mawk"), _awk),
    **dict.fromkeys(("ruff", "mypy", "black", "isort", "flake8"), _checker),
    "curl": _curl,
    "nc": _nc,
    "cp": _cp,
    "dd": _dd,
    "tar": _tar,
    "sed": _sed,
}
