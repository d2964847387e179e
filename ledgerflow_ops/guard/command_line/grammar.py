"""Docker's and Compose's commands and options, as far as a verdict depends on them.

The tables hold what docker 20.10 to 28 and Compose 2 to 5 print as help, and the options that they take
without printing them. The tests compare them with the programs that are installed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one command: long name → whether it takes a value; short name → long name.

    `same` maps an option's other names to its usual one. `anywhere`: whether options may follow operands: not
    if the rest is a program with its own options.
    """

    takes_value: Mapping[str, bool]
    short: Mapping[str, str]
    same: Mapping[str, str]
    anywhere: bool = True


def _options(text: str, *, anywhere: bool = True) -> Options:
    """Options of a list of `long`, `s/long` and `other>usual`; one that ends in = takes a value."""
    takes_value: dict[str, bool] = {}
    short: dict[str, str] = {}
    same: dict[str, str] = {}
    for word in text.split():
        letter, _, name = word.rstrip("=").rpartition("/")
        name, other, usual = name.partition(">")
        takes_value[name] = word.endswith("=")
        short |= {letter: name} if letter else {}
        same |= {name: usual} if other else {}
    return Options(takes_value, short, same, anywhere)


_DOCKER = "D/debug tls tlsverify H/host= context= config= l/log-level= tlscacert= tlscert= tlskey= v/version "
_COMPOSE = """
all-resources compatibility dry-run verbose no-ansi v/version ansi= env-file= f/file= p/project-name=
parallel= profile= progress= project-directory= workdir=
"""
DOCKER = _options(f"{_DOCKER} c/context=", anywhere=False)
"""The options between `docker` and its command."""
COMPOSE = _options(_COMPOSE, anywhere=False)
"""The options between `docker compose` and its command."""
STANDALONE = _options(f"{_DOCKER} {_COMPOSE}", anywhere=False)
"""The options between `docker-compose` and its command."""

_CREATE = """
P/publish-all disable-content-trust help i/interactive init no-healthcheck oom-kill-disable privileged
q/quiet read-only rm t/tty use-api-socket a/attach= add-host= annotation= blkio-weight=
blkio-weight-device= c/cpu-shares= cap-add= cap-drop= cgroup-parent= cgroupns= cidfile= cpu-count=
cpu-percent= cpu-period= cpu-quota= cpu-rt-period= cpu-rt-runtime= cpus= cpuset-cpus= cpuset-mems= device=
device-cgroup-rule= device-read-bps= device-read-iops= device-write-bps= device-write-iops= dns=
dns-opt>dns-option= dns-option= dns-search= domainname= e/env= entrypoint= env-file= expose= gpus=
group-add= h/hostname= health-cmd= health-interval= health-retries= health-start-interval=
health-start-period= health-timeout= io-maxbandwidth= io-maxiops= ip= ip6= ipc= isolation= kernel-memory=
l/label= label-file= link= link-local-ip= log-driver= log-opt= m/memory= mac-address= memory-reservation=
memory-swap= memory-swappiness= mount= name= net>network= net-alias>network-alias= network= network-alias=
oom-score-adj= p/publish= pid= pids-limit= platform= pull= restart= runtime= security-opt= shm-size=
stop-signal= stop-timeout= storage-opt= sysctl= tmpfs= u/user= ulimit= userns= uts= v/volume=
volume-driver= volumes-from= w/workdir=
"""
_TABLE = f"""
run!: {" ".join(_CREATE.split())} d/detach sig-proxy detach-keys=
create!: {" ".join(_CREATE.split())}
start: a/attach i/interactive detach-keys= checkpoint= checkpoint-dir=
restart: s/signal= t/time= timeout=
stop: s/signal= t/time= timeout=
kill: s/signal=
rm: f/force l/link v/volumes
exec!: d/detach i/interactive privileged t/tty detach-keys= e/env= env-file= u/user= w/workdir=
attach: no-stdin sig-proxy detach-keys=
pause:
unpause:
rename:
update: blkio-weight= c/cpu-shares= cpu-period= cpu-quota= cpu-rt-period= cpu-rt-runtime= cpus=
    cpuset-cpus= cpuset-mems= kernel-memory= m/memory= memory-reservation= memory-swap= pids-limit=
    restart=
cp: L/follow-link a/archive q/quiet
export: o/output=
image save: o/output= platform=
volume rm: f/force
volume prune: a/all f/force filter=
volume create: d/driver= label= o/opt= availability= group= limit-bytes= required-bytes= scope= secret=
    sharing= topology-preferred= topology-required= type=
network connect: alias= driver-opt= gw-priority= ip= ip6= link= link-local-ip=
container prune: f/force filter=
system prune: a/all f/force volumes filter=
context use:
context update: default-stack-orchestrator= description= docker= kubernetes=
compose pause:
compose unpause:
compose up: V/renew-anon-volumes abort-on-container-exit abort-on-container-failure always-recreate-deps
    attach-dependencies build d/detach force-recreate menu no-build no-color no-deps no-log-prefix
    no-recreate no-start quiet-build quiet-pull remove-orphans timestamps w/watch wait y/yes attach=
    exit-code-from= no-attach= pull= scale= t/timeout= wait-timeout=
compose create: build force-recreate no-build no-recreate quiet-pull remove-orphans y/yes pull= scale=
compose start: wait wait-timeout=
compose restart: no-deps t/timeout=
compose run!: P/service-ports T/no-tty t/tty build d/detach i/interactive no-deps q/quiet quiet-build
    quiet-pull remove-orphans rm use-aliases cap-add= cap-drop= e/env= entrypoint= env-from-file= l/label=
    labels>label= name= p/publish= pull= u/user= v/volume= volumes>volume= w/workdir=
compose exec!: T/no-tty i/interactive t/tty d/detach privileged e/env= index= u/user= w/workdir=
compose cp: L/follow-link a/archive all index=
compose rm: a/all f/force s/stop v/volumes
compose down: remove-orphans v/volumes volume>volumes rmi= t/timeout=
compose stop: t/timeout=
compose kill: remove-orphans s/signal=
compose scale: no-deps
compose attach: no-stdin sig-proxy detach-keys= index=
compose watch: no-up prune quiet
compose wait: down-project
compose config: environment images lock-image-digests models networks no-consistency no-env-resolution
    no-interpolate no-normalize no-path-resolution profiles q/quiet resolve-image-digests services
    variables volumes format= hash= o/output=
compose export: index= o/output=
"""


def _judged() -> Iterator[tuple[str, Options]]:
    """The entries of the table; every command of Compose takes --dry-run."""
    for line in _TABLE.replace("\n    ", " ").strip().splitlines():
        name, _, options = line.partition(":")
        more = " dry-run" if name.startswith("compose ") else ""
        yield name.rstrip("!"), _options(options + more, anywhere=not name.endswith("!"))


JUDGED: Mapping[str, Options] = dict(_judged())
"""The commands that may lose data, with their options."""

_GROUPS = """
builder: build prune
buildx: bake build create dap debug diff du history imagetools inspect ls prune rm stop use version
config: create* inspect ls rm*
container: attach* commit cp* create* diff exec* export* inspect kill* logs ls pause* port prune* rename* rm*
    restart* run* start* stats stop* top unpause* update* wait ps list remove*
context: create export import inspect ls rm* show update* use*
image: build history import inspect load ls prune pull push rm save* tag
manifest: annotate create inspect push rm
network: connect* create disconnect inspect ls prune rm
node: demote* inspect ls promote* ps rm* update*
plugin: create* disable* enable* inspect install* ls push* rm* set* upgrade*
secret: create* inspect ls rm*
service: create* inspect logs ls ps rm* rollback* scale* update*
stack: config deploy* ls ps rm* services
swarm: ca* init* join* join-token* leave* unlock* unlock-key* update*
system: df dial-stdio* events info prune*
trust: inspect key revoke sign signer
volume: create* inspect ls prune* rm* update*
compose: version ps logs images ls top port events stats volumes pull push build commit publish
    completion help
"""
GROUPS: Mapping[str, list[str]] = {
    line.partition(":")[0]: line.partition(":")[2].split()
    for line in _GROUPS.replace("\n    ", " ").strip().splitlines()
}
"""Docker's groups of commands; those with a star may change a volume."""

_OF_CONTAINERS = {"ls": "container ls", "ps": "container ls", "list": "container ls", "remove": "rm"}
_BY_THEMSELVES = {
    "ps": "container ls", "build": "image build", "history": "image history", "images": "image ls",
    "import": "image import", "load": "image load", "pull": "image pull", "push": "image push",
    "rmi": "image rm", "save": "image save", "tag": "image tag", "events": "system events",
    "info": "system info", "stack up": "stack deploy", "stack down": "stack rm",
    "compose convert": "compose config",
}  # fmt: skip
SAME_COMMAND: Mapping[str, str] = {
    **{f"{group} list": f"{group} ls" for group in GROUPS if group != "compose"},
    **{f"{group} remove": f"{group} rm" for group in GROUPS if group != "compose"},
    **{
        f"container {name}": _OF_CONTAINERS.get(name, name)
        for name in (word.rstrip("*") for word in GROUPS["container"])
        if name != "prune"
    },
    **_BY_THEMSELVES,
}
"""Other names of commands → the name that is used here."""

READING = frozenset(
    SAME_COMMAND.get(f"{group} {name}", f"{group} {name}")
    for group, names in GROUPS.items()
    for name in names
    if not name.endswith("*")
).union(["help", "version", "login", "logout", "search", "completion", "scout"])
"""The commands that never change a volume, whatever their options."""

BAKE = "buildx bake"
"""It reads, but what its file says is written where that says."""
WRITING = frozenset({"image", "builder", "buildx", "scout"})
"""The groups of those that may write files of the host, by these options and by -o."""
WRITTEN = frozenset({"--output", "--iidfile", "--metadata-file"})
