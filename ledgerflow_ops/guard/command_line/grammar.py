"""Docker's and Compose's commands and options, as far as a verdict depends on them.

The tables hold what docker 20.10 to 28 and Compose 2 to 5 print as help, and the options that they take
without printing them. The tests compare them with the programs that are installed.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one command: long name → whether it takes a value; short name → long name."""

    takes_value: Mapping[str, bool]
    short: Mapping[str, str]
    anywhere: bool = True
    """Whether options may follow operands: not if the rest is a program with its own options."""


def _options(switches: str, valued: str = "", *, anywhere: bool = True) -> Options:
    """Options from lists of `s/long` or `long`."""
    takes_value, short = {}, {}
    for names, with_value in ((switches, False), (valued, True)):
        for name in names.split():
            letter, _, long = name.rpartition("/")
            takes_value[long] = with_value
            if letter:
                short[letter] = long
    return Options(takes_value, short, anywhere)


DOCKER = _options(
    "D/debug tls tlsverify v/version",
    "H/host c/context config l/log-level tlscacert tlscert tlskey",
    anywhere=False,
)
"""The options between `docker` and its command."""

COMPOSE = _options(
    "all-resources compatibility dry-run verbose no-ansi v/version",
    "ansi env-file f/file p/project-name parallel profile progress project-directory workdir",
    anywhere=False,
)
"""The options between `docker compose` and its command."""

STANDALONE = _options(
    "all-resources compatibility dry-run verbose no-ansi v/version D/debug tls tlsverify",
    "ansi env-file f/file p/project-name parallel profile progress project-directory workdir "
    "H/host context config l/log-level tlscacert tlscert tlskey",
    anywhere=False,
)
"""The options between `docker-compose` and its command."""

_CREATE_SWITCHES = (
    "P/publish-all disable-content-trust help i/interactive init no-healthcheck oom-kill-disable privileged "
    "q/quiet read-only rm t/tty use-api-socket"
)
_CREATE_VALUED = (
    "a/attach add-host annotation blkio-weight blkio-weight-device c/cpu-shares cap-add cap-drop "
    "cgroup-parent cgroupns cidfile cpu-count cpu-percent cpu-period cpu-quota cpu-rt-period cpu-rt-runtime "
    "cpus cpuset-cpus cpuset-mems device device-cgroup-rule device-read-bps device-read-iops "
    "device-write-bps device-write-iops dns dns-opt dns-option dns-search domainname e/env entrypoint "
    "env-file expose gpus group-add h/hostname health-cmd health-interval health-retries "
    "health-start-interval health-start-period health-timeout io-maxbandwidth io-maxiops ip ip6 ipc "
    "isolation kernel-memory l/label label-file link link-local-ip log-driver log-opt m/memory mac-address "
    "memory-reservation memory-swap memory-swappiness mount name net net-alias network network-alias "
    "oom-score-adj p/publish pid pids-limit platform pull restart runtime security-opt shm-size stop-signal "
    "stop-timeout storage-opt sysctl tmpfs u/user ulimit userns uts v/volume volume-driver volumes-from "
    "w/workdir"
)

JUDGED: Mapping[str, Options] = {
    "run": _options(
        f"{_CREATE_SWITCHES} d/detach sig-proxy", f"{_CREATE_VALUED} detach-keys", anywhere=False
    ),
    "create": _options(_CREATE_SWITCHES, _CREATE_VALUED, anywhere=False),
    "start": _options("a/attach i/interactive", "detach-keys checkpoint checkpoint-dir"),
    "restart": _options("", "s/signal t/time timeout"),
    "stop": _options("", "s/signal t/time timeout"),
    "kill": _options("", "s/signal"),
    "rm": _options("f/force l/link v/volumes"),
    "exec": _options(
        "d/detach i/interactive privileged t/tty", "detach-keys e/env env-file u/user w/workdir",
        anywhere=False,
    ),
    "attach": _options("no-stdin sig-proxy", "detach-keys"),
    "pause": _options(""),
    "unpause": _options(""),
    "rename": _options(""),
    "update": _options(
        "",
        "blkio-weight c/cpu-shares cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpus cpuset-cpus "
        "cpuset-mems kernel-memory m/memory memory-reservation memory-swap pids-limit restart",
    ),
    "compose pause": _options("dry-run"),
    "compose unpause": _options("dry-run"),
    "cp": _options("L/follow-link a/archive q/quiet"),
    "export": _options("", "o/output"),
    "image save": _options("", "o/output platform"),
    "volume rm": _options("f/force"),
    "volume prune": _options("a/all f/force", "filter"),
    "volume create": _options(
        "",
        "d/driver label o/opt availability group limit-bytes required-bytes scope secret sharing "
        "topology-preferred topology-required type",
    ),
    "network connect": _options("", "alias driver-opt gw-priority ip ip6 link link-local-ip"),
    "container prune": _options("f/force", "filter"),
    "system prune": _options("a/all f/force volumes", "filter"),
    "context use": _options(""),
    "context update": _options("", "default-stack-orchestrator description docker kubernetes"),
    "compose up": _options(
        "V/renew-anon-volumes abort-on-container-exit abort-on-container-failure always-recreate-deps "
        "attach-dependencies build d/detach dry-run force-recreate menu no-build no-color no-deps "
        "no-log-prefix no-recreate no-start quiet-build quiet-pull remove-orphans timestamps w/watch wait "
        "y/yes",
        "attach exit-code-from no-attach pull scale t/timeout wait-timeout",
    ),
    "compose create": _options(
        "build dry-run force-recreate no-build no-recreate quiet-pull remove-orphans y/yes", "pull scale"
    ),
    "compose start": _options("dry-run wait", "wait-timeout"),
    "compose restart": _options("dry-run no-deps", "t/timeout"),
    "compose run": _options(
        "P/service-ports T/no-tty t/tty build d/detach dry-run i/interactive no-deps q/quiet quiet-build "
        "quiet-pull remove-orphans rm use-aliases",
        "cap-add cap-drop e/env entrypoint env-from-file l/label labels name p/publish pull u/user v/volume "
        "volumes w/workdir",
        anywhere=False,
    ),
    "compose exec": _options(
        "T/no-tty i/interactive t/tty d/detach dry-run privileged", "e/env index u/user w/workdir",
        anywhere=False,
    ),
    "compose cp": _options("L/follow-link a/archive all dry-run", "index"),
    "compose rm": _options("a/all dry-run f/force s/stop v/volumes"),
    "compose down": _options("dry-run remove-orphans v/volumes volume", "rmi t/timeout"),
    "compose stop": _options("dry-run", "t/timeout"),
    "compose kill": _options("dry-run remove-orphans", "s/signal"),
    "compose scale": _options("dry-run no-deps"),
    "compose attach": _options("dry-run no-stdin sig-proxy", "detach-keys index"),
    "compose watch": _options("dry-run no-up prune quiet"),
    "compose wait": _options("down-project dry-run"),
    "compose config": _options(
        "dry-run environment images lock-image-digests models networks no-consistency no-env-resolution "
        "no-interpolate no-normalize no-path-resolution profiles q/quiet resolve-image-digests services "
        "variables volumes",
        "format hash o/output",
    ),
    "compose export": _options("dry-run", "index o/output"),
}  # fmt: skip
"""The commands that may lose data, with their options. Other names of the same options: `SAME_OPTION`."""

SAME_OPTION = {
    "compose down": {"volume": "volumes"},
    "compose run": {"volumes": "volume", "labels": "label"},
    "run": {"net": "network", "net-alias": "network-alias", "dns-opt": "dns-option"},
    "create": {"net": "network", "net-alias": "network-alias", "dns-opt": "dns-option"},
}

GROUPS: Mapping[str, str] = {
    "builder": "build prune",
    "buildx": "bake build create dap debug diff du history imagetools inspect ls prune rm stop use version",
    "config": "create inspect ls rm",
    "container": "attach commit cp create diff exec export inspect kill logs ls pause port prune rename "
    "restart rm run start stats stop top unpause update wait",
    "context": "create export import inspect ls rm show update use",
    "image": "build history import inspect load ls prune pull push rm save tag",
    "manifest": "annotate create inspect push rm",
    "network": "connect create disconnect inspect ls prune rm",
    "node": "demote inspect ls promote ps rm update",
    "plugin": "create disable enable inspect install ls push rm set upgrade",
    "secret": "create inspect ls rm",
    "service": "create inspect logs ls ps rm rollback scale update",
    "stack": "config deploy ls ps rm services",
    "swarm": "ca init join join-token leave unlock unlock-key update",
    "system": "df dial-stdio events info prune",
    "trust": "inspect key revoke sign signer",
    "volume": "create inspect ls prune rm update",
}
"""Docker's groups of commands."""

_CONTAINER = GROUPS["container"].split()
_BARE = {"ls": "container ls", "ps": "container ls", "remove": "rm"}

SAME_COMMAND = {
    **{f"container {name}": _BARE.get(name, name) for name in (*_CONTAINER, "ps", "list", "remove")},
    **{f"{group} list": f"{group} ls" for group in GROUPS if group != "container"},
    **{f"{group} remove": f"{group} rm" for group in GROUPS if group != "container"},
    "container list": "container ls",
    "container prune": "container prune",
    "ps": "container ls",
    "build": "image build",
    "history": "image history",
    "images": "image ls",
    "import": "image import",
    "load": "image load",
    "pull": "image pull",
    "push": "image push",
    "rmi": "image rm",
    "save": "image save",
    "tag": "image tag",
    "events": "system events",
    "info": "system info",
    "stack up": "stack deploy",
    "stack down": "stack rm",
    "compose convert": "compose config",
}
"""Other names of commands → the name that is used here."""


def _all_of(group: str, names: str = "") -> set[str]:
    return {f"{group} {name}" for name in (names or GROUPS[group]).split()}


_PLAIN = "help version login logout search inspect logs stats top port diff wait commit"

READING = frozenset(_PLAIN.split()).union(
    ("container ls", "completion", "scout"),
    _all_of("image") - {"image save"},
    *(_all_of(group) for group in ("builder", "buildx", "manifest", "trust")),
    _all_of("network") - {"network connect"},
    _all_of("context", "create export import inspect ls show"),
    *(_all_of(group, "inspect ls") for group in ("plugin", "volume", "config", "secret")),
    _all_of("system", "df events info"),
    _all_of("node", "inspect ls ps"),
    _all_of("service", "inspect logs ls ps"),
    _all_of("stack", "config ls ps services"),
    _all_of("compose", "help version ps logs images ls top port events stats volumes pull push build"),
    _all_of("compose", "commit publish completion"),
)
"""The commands that never change a volume, whatever their options."""

BAKE = "buildx bake"
"""It reads, but what its file says is written where that says."""
WRITING = frozenset({"image", "builder", "buildx", "scout"})
"""The groups of those that may write files of the host, by these options and by -o."""
WRITTEN = frozenset({"--output", "--iidfile", "--metadata-file"})
