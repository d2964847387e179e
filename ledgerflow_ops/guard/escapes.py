"""The ways in which a container is let out of its bounds, as docker, Compose and the engine name them."""

import posixpath
from collections.abc import Iterable, Iterator

_POWERS = {"ALL", "SYS_ADMIN", "SYS_RAWIO", "SYS_MODULE", "SYS_PTRACE", "DAC_READ_SEARCH", "MKNOD", "BPF"}
"""Capabilities with which a program reaches what is not the container's."""
_NO_DISKS = tuple(
    f"/dev/{name}" for name in ("null", "fuse", "dri", "snd", "video", "tty", "net/tun", "kvm", "nvidia")
)


def ways_out(
    *, privileged: bool, powers: Iterable[str], devices: Iterable[str], rules: Iterable[str], pid: str
) -> str:
    """The ways in words; empty when there is none. `rules` are of device cgroups, `pid` whose processes."""
    return ", ".join(_ways(privileged, powers, devices, rules, pid))


def _ways(
    privileged: bool, powers: Iterable[str], devices: Iterable[str], rules: Iterable[str], pid: str
) -> Iterator[str]:
    if privileged:
        yield "privileged"
    yield from sorted({power.upper().removeprefix("CAP_") for power in powers} & _POWERS)
    # Those that cannot be told to be something else may be disks.
    if any(not posixpath.normpath(device).startswith(_NO_DISKS) for device in devices) or any(rules):
        yield "devices"
    if pid:
        yield f"pid {pid}"
