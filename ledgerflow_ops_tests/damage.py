"""The ways in which a backup comes to harm, each made from a seed. Run as a program, it is a false pg_dump.

Only the standard library is imported, so that the false program starts in no time.
"""

import json
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

Harm = Callable[[bytes, Random], bytes]


def flipped_bit(data: bytes, dice: Random) -> bytes:
    """One bit is the other one."""
    place = dice.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << dice.randrange(8)]) + data[place + 1 :]


def another_digit(data: bytes, dice: Random) -> bytes:
    """A number is another number: what a bit does that flips where nobody looks. Mostly in the DDL."""
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
    return data[:first] + data[second : second + size] + between + data[first : first + size] + data[second + size :]


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
    """Taken for Latin-1 and written as UTF-8, as a shell that thinks in text does it."""
    return data.decode("latin-1").encode()


def talked_into(data: bytes, dice: Random) -> bytes:
    """A warning has gone to standard output, before the archive or in the midst of it."""
    place = dice.choice((0, dice.randrange(len(data))))
    return data[:place] + b"WARNING: this terminal is not fully functional\n" + data[place:]


def emptied(data: bytes, dice: Random) -> bytes:
    """0 bytes: what lay in the folder in April 2025."""
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
    """`data` with that harm done to it; never as it was."""
    for attempt in range(100):
        result = HARMS[kind](data, Random(f"{kind} {seed} {attempt}"))
        if result != data:
            return result
    raise AssertionError(f"{kind} does nothing to these {len(data)} bytes")


def falsify(folder: Path, real: Path) -> None:
    """Make `folder` a folder of tools: the real ones, but for a pg_dump and a pg_dumpall that follow a plan."""
    folder.mkdir()
    for program in real.iterdir():
        (folder / program.name).symlink_to(program)
    for name in ("pg_dump", "pg_dumpall"):
        program = folder / name
        program.unlink()
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -IS "{__file__}" "{folder}" "{real / name}" "$@"\n')
        program.chmod(0o755)
    plan(folder)


def plan(folder: Path, **steps: object) -> None:
    """What the false tools in `folder` do from now on.

    `compress`: the value of --compress. `options`: more options. `harm` and `seed`: what becomes of the
    archive. `lose`: drop the lines of the roles script that hold this text. `code`: the exit code.
    """
    (folder / "plan.json").write_text(json.dumps(steps))
    (folder / "fired").unlink(missing_ok=True)


def fired(folder: Path) -> bool:
    """Whether the false tools have done what was planned for them."""
    return (folder / "fired").exists()


def _play(folder: Path, real: str, arguments: list[str]) -> int:
    """Run the real program and let its output come to harm."""
    steps = json.loads((folder / "plan.json").read_text())
    roles = "--globals-only" in arguments
    if not roles and "--format=custom" not in arguments:
        return subprocess.call([real, *arguments])
    compress = steps.get("compress")
    if compress and not roles:
        arguments = [part for part in arguments if not part.startswith("--compress")] + [f"--compress={compress}"]
    result = subprocess.run([real, *arguments, *(() if roles else steps.get("options", ()))], stdout=subprocess.PIPE)
    out = result.stdout
    if roles and "lose" in steps:
        out = b"".join(line for line in out.splitlines(keepends=True) if steps["lose"].encode() not in line)
    harm = steps.get("roles_harm" if roles else "harm")
    if harm:
        out = harmed(harm, out, steps["seed"])
    if out != result.stdout or (steps.get("options") and not roles):
        (folder / "fired").touch()
    sys.stdout.buffer.write(out)
    return result.returncode


if __name__ == "__main__":
    random.seed(0)
    sys.exit(_play(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
