"""The options by which a container can leave its isolation, as docker, Compose and the engine name them."""

import posixpath
from collections.abc import Iterable, Iterator

_POWERS = {"ALL", "SYS_ADMIN", "SYS_RAWIO", "SYS_MODULE", "DAC_READ_SEARCH", "MKNOD", "BPF"}
"""Capabilities with which a program can access more than its container. SYS_PTRACE needs --pid as
well."""
_NO_DISKS = tuple(
    f"/dev/{name}" for name in ("null", "fuse", "dri", "snd", "video", "tty", "net/tun", "kvm", "nvidia")
)


def isolation_gaps(
    *, privileged: bool, powers: Iterable[str], devices: Iterable[str], rules: Iterable[str], pid: str
) -> str:
    """The gaps in words; empty if there are none. `rules` are device cgroup rules, `pid` is the PID mode."""
    return ", ".join(_ways(privileged, powers, devices, rules, pid))


def _ways(
    privileged: bool, powers: Iterable[str], devices: Iterable[str], rules: Iterable[str], pid: str
) -> Iterator[str]:
    if privileged:
        yield "privileged"
    yield from sorted({power.upper().removeprefix("CAP_") for power in powers} & _POWERS)
    # A device that is not known to be something else may be a disk.
    if any(not posixpath.normpath(device).startswith(_NO_DISKS) for device in devices) or any(rules):
        yield "devices"
    if pid:
        yield f"pid {pid}"
