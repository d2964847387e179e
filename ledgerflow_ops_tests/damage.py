"""The ways of damaging a backup, each generated from a seed. Run as a program, it is a false pg_dump.

Only the standard library is imported, so that the false program starts in no time.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

Harm = Callable[[bytes, Random], bytes]


def flipped_bit(data: bytes, dice: Random) -> bytes:
    """One bit is flipped."""
    place = dice.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << dice.randrange(8)]) + data[place + 1 :]


def another_digit(data: bytes, dice: Random) -> bytes:
    """A number is changed, as a flipped bit might do unnoticed. Mostly in the DDL."""
    place = dice.choice([match.start() for match in re.finditer(rb"(?<=[ (,=])\d(?=[\d),; ])", data)])
    digit = dice.choice([digit for digit in b"0123456789" if digit != data[place]])
    return data[:place] + bytes([digit]) + data[place + 1 :]


def zeroed_block(data: bytes, dice: Random) -> bytes:
    """A block that was never written."""
    size = dice.choice((64, 512, 4096))
    place = dice.randrange(max(1, len(data) - size))
    return data[:place] + bytes(len(data[place : place + size])) + data[place + size :]


def swapped_blocks(data: bytes, dice: Random) -> bytes:
    """Two blocks of one size, each in the other's place."""
    size = min(dice.choice((16, 512, 4096)), len(data) // 3)
    first = dice.randrange(len(data) - 2 * size)
    second = dice.randrange(first + size, len(data) - size + 1)
    between = data[first + size : second]
    return (
        data[:first]
        + data[second : second + size]
        + between
        + data[first : first + size]
        + data[second + size :]
    )


def truncated(data: bytes, dice: Random) -> bytes:
    """The end is missing: a few bytes of it, or most."""
    return data[: -dice.choice((1, 2, 16, dice.randrange(1, len(data))))]


def appended(data: bytes, dice: Random) -> bytes:
    """Something was written after the end."""
    return data + dice.choice((b"\0", b"\n", dice.randbytes(700), data[:4096]))


def crlf(data: bytes, dice: Random) -> bytes:
    """Every line feed has a carriage return before it, as a terminal does it."""
    return data.replace(b"\n", b"\r\n")


def recoded(data: bytes, dice: Random) -> bytes:
    """Read as Latin-1 and written as UTF-8, as a shell that converts text does it."""
    return data.decode("latin-1").encode()


def talked_into(data: bytes, dice: Random) -> bytes:
    """A warning has gone to standard output, before the archive or in the midst of it."""
    place = dice.choice((0, dice.randrange(len(data))))
    return data[:place] + b"WARNING: this terminal is not fully functional\n" + data[place:]


def emptied(data: bytes, dice: Random) -> bytes:
    """0 bytes, like the files in the folder in April 2025."""
    return b""


HARMS: dict[str, Harm] = {
    "a flipped bit": flipped_bit,
    "another digit": another_digit,
    "a zeroed block": zeroed_block,
    "swapped blocks": swapped_blocks,
    "truncated": truncated,
    "appended": appended,
    "CRLF": crlf,
    "recoded": recoded,
    "talked into": talked_into,
    "0 bytes": emptied,
}


def harmed(kind: str, data: bytes, seed: int) -> bytes:
    """`data` with that damage; never unchanged."""
    for attempt in range(100):
        result = HARMS[kind](data, Random(f"{kind} {seed} {attempt}"))
        if result != data:
            return result
    raise AssertionError(f"{kind} does nothing to these {len(data)} bytes")


def falsify(folder: Path, real: Path) -> None:
    """Make `folder` one of PostgreSQL's programs, but with a pg_dump and a pg_dumpall that follow a plan."""
    folder.mkdir()
    for program in real.iterdir():
        (folder / program.name).symlink_to(program)
    for name in ("pg_dump", "pg_dumpall"):
        false = folder / name
        false.unlink()
        start = f'exec "{sys.executable}" -IS "{__file__}" "{folder}" "{real / name}" "$@"'
        false.write_text(f"#!/bin/sh\n{start}\n")
        false.chmod(0o755)
    plan(folder)


def plan(folder: Path, **steps: object) -> None:
    """What the false tools in `folder` do from now on.

    `compress`: another value for --compress. `options`: further options of pg_dump. `forget`: leave out
    the option that begins so. `before`: what psql runs before each dump. `harm` with `seed`: what becomes of
    the archive; `reword`: a word in it and what stands in its place. `roles_harm` with `seed`: what becomes
    of the roles script; `roles_lose`: the word whose lines it lacks; `roles_reword`: a word and what stands
    in its place every other time.
    """
    (folder / "plan.json").write_text(json.dumps(steps))
    for trace in (*folder.glob("reading *"), folder / "fired"):
        trace.unlink(missing_ok=True)


def fired(folder: Path) -> bool:
    """Whether the false tools have done what was planned for them."""
    return (folder / "fired").exists()


def _play(folder: Path, real: str, arguments: list[str]) -> int:
    """Run the real program and let its output come to harm."""
    steps = json.loads((folder / "plan.json").read_text())
    if "--globals-only" in arguments:
        return _roles(folder, steps, [real, *arguments])
    if "--format=custom" not in arguments:
        return subprocess.call([real, *arguments])
    if "compress" in steps:
        arguments = [part for part in arguments if not part.startswith("--compress")]
        arguments.append(f"--compress={steps['compress']}")
    if "forget" in steps:
        arguments = [part for part in arguments if not part.startswith(steps["forget"])]
    arguments += steps.get("options", ())
    if "before" in steps:
        words = ["--no-psqlrc", "--quiet", "--command=SET default_transaction_read_only = off"]
        subprocess.run([Path(real).with_name("psql"), *words, f"--command={steps['before']}"], check=True)
    made = subprocess.run([real, *arguments], stdout=subprocess.PIPE)
    out = harmed(steps["harm"], made.stdout, steps["seed"]) if "harm" in steps else made.stdout
    if "reword" in steps:
        out = out.replace(*(word.encode() for word in steps["reword"]))
    if out != made.stdout or "forget" in steps or "options" in steps:
        (folder / "fired").touch()
    sys.stdout.buffer.write(out)
    return made.returncode


def _roles(folder: Path, steps: dict[str, Any], command: list[str]) -> int:
    """The roles script; what comes to harm by chance does so in another way each time it is read."""
    made = subprocess.run(command, stdout=subprocess.PIPE)
    out, times = made.stdout, len([*folder.glob("reading *")])
    (folder / f"reading {times}").touch()
    if "roles_lose" in steps:
        lines = out.splitlines(keepends=True)
        out = b"".join(line for line in lines if steps["roles_lose"].encode() not in line)
    if "roles_harm" in steps:
        out = harmed(steps["roles_harm"], out, int(steps["seed"]) + times)
    if "roles_reword" in steps and times % 2:
        out = out.replace(*(word.encode() for word in steps["roles_reword"]))
    if out != made.stdout:
        (folder / "fired").touch()
    sys.stdout.buffer.write(out)
    return made.returncode


if __name__ == "__main__":
    sys.exit(_play(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
