"""The rules alone: hand-made scenes, each with the one property that decides."""

import shlex
from dataclasses import replace

import pytest

from ledgerflow_ops.guard.command_line.parse import parse
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.effects import Effect, Judgement
from ledgerflow_ops.guard.model import (
    ConfiguredProtection,
    Container,
    Engine,
    Mount,
    Process,
    Project,
    Service,
    Stdin,
    Volume,
)
from ledgerflow_ops.guard.rules.judge import judge

DATA = "/var/lib/postgresql/data"
NAMELESS = "f" * 64
_OURS = {"com.docker.compose.project": "ledger-dev"}
_LABELLED = {"com.ledgerflow.protect": "true"}
_HOLDS = Mount("volume", "books", DATA)
_POSTGRES = Process("postgres:17", ("docker-entrypoint.sh",), ("postgres",), (_HOLDS,), DATA)
DB = Container(
    "d" * 64, "db", _POSTGRES, labels={**_OURS, "com.docker.compose.service": "postgres"},
    networks=frozenset({"ledger-dev_default"}),
)  # fmt: skip
APP = Container(
    "a" * 64, "app", Process("django"), labels={**_OURS, "com.docker.compose.service": "django"},
    networks=frozenset({"ledger-dev_default"}),
)  # fmt: skip
ALONE = Container("b" * 64, "alone", Process("nginx"), networks=frozenset({"bridge"}))
OLD = Container(
    "c" * 64, "old", Process("postgres:17", (), (), (Mount("volume", NAMELESS, DATA),)), running=False,
    labels=_LABELLED,
)  # fmt: skip
ENGINE = Engine(
    (Volume("books", _OURS), Volume("plain"), Volume(NAMELESS), Volume("kept", _LABELLED)),
    (DB, APP, ALONE, OLD),
    id="engine",
)  # fmt: skip
FILE = Project(
    "ledger-dev",
    (Service("postgres", _POSTGRES), Service("django", Process("django"))),
    (Volume("books"), Volume("outside", external=True)),
    ("/srv/app/docker-compose.dev.yml",),
)  # fmt: skip
SCENE = Scene(
    ENGINE, project=FILE, guarded=ConfiguredProtection(folders=("/srv/backups",)), folder="/srv/app"
)


def judged(line: str, scene: Scene = SCENE) -> Judgement:
    return judge(parse("docker", shlex.split(line)), scene)


def with_db(scene: Scene = SCENE, **changes: object) -> Scene:
    """The scene with the database's container changed."""
    changed = replace(DB, **changes)  # type: ignore[arg-type]
    others = tuple(one for one in scene.engine.containers if one.name != "db")
    return replace(scene, engine=replace(scene.engine, containers=(changed, *others)))


def with_service(**changes: object) -> Scene:
    """The scene with the database's service changed in the compose file."""
    service = Service("postgres", replace(_POSTGRES, **changes))  # type: ignore[arg-type]
    return replace(SCENE, project=replace(FILE, services=(service, *FILE.services[1:])))


STOPPED = with_db(running=False)
GONE = replace(SCENE, engine=replace(ENGINE, containers=(APP, ALONE, OLD)))
MODERN = replace(STOPPED, engine=replace(STOPPED.engine, api=(1, 44)))

_BOUND = replace(_POSTGRES, mounts=(Mount("bind", "/srv/pg", DATA),))
BOUND = with_db(process=_BOUND)
LOOSE = replace(MODERN, engine=replace(MODERN.engine, containers=(DB, APP, ALONE)),
                guarded=ConfiguredProtection(remembered={NAMELESS: "dev"}))  # fmt: skip
BASH = with_db(
    replace(SCENE, stdin=Stdin.DATA), running=False, reads_input=True,
    process=replace(_POSTGRES, entrypoint=(), command=("bash",)),
)  # fmt: skip
_BLOG = {"com.docker.compose.project": "blog"}
BLOG = replace(
    SCENE, project=None, engine=Engine((Volume("books"),), (replace(DB, labels=_BLOG, networks=frozenset()),
                                              replace(APP, labels=_BLOG, networks=frozenset()))),
)  # fmt: skip

DESTROYS = [
    ("volume prune", LOOSE),
    (f"exec db rm -rf {DATA}", BOUND),
    (f"cp x db:{DATA}/x", BOUND),
    ("run --mount type=bind,src=../backups,dst=/x alpine", SCENE),
    ("start -ai db", BASH),
    ("start -i db", BASH),
    ("compose up", replace(with_service(image="ledger-db", entrypoint=()), engine=replace(
        ENGINE, containers=(APP,)))),
    ("volume rm books", SCENE),
    ("volume rm kept", SCENE),
    ("volume prune", SCENE),
    ("volume prune --filter label=com.ledgerflow.protect", SCENE),
    ("volume prune -a", MODERN),
    ("volume prune --filter all=1", MODERN),
    ("system prune --volumes", STOPPED),
    ("system prune", SCENE),
    ("container prune", SCENE),
    ("rm old", SCENE),
    ("rm -v old", SCENE),
    ("stop db", with_db(removes_itself=True, process=OLD.process)),
    ("compose kill", with_db(removes_itself=True, process=OLD.process)),
    ("compose rm -f", with_db(process=OLD.process)),
    ("compose down", with_db(process=OLD.process)),
    ("compose wait --down-project x", with_db(process=OLD.process)),
    ("compose down -v", SCENE),
    ("compose down -v", GONE),
    ("run -v books:/x alpine", SCENE),
    ("run -v kept:/x:rw alpine", SCENE),
    ("run --volumes-from db alpine", SCENE),
    ("run -v /srv/backups:/x alpine", SCENE),
    ("run -v /srv/backups/dev:/x alpine", SCENE),
    ("run -v /srv:/x alpine", SCENE),
    ("run -v ../backups:/x alpine", SCENE),
    ("run -v /var/lib/docker/volumes:/x alpine", SCENE),
    ("run -v /var/run/docker.sock:/s:ro alpine", SCENE),
    ("run --use-api-socket alpine", SCENE),
    ("run --privileged alpine", SCENE),
    ("run --cap-add SYS_ADMIN alpine", SCENE),
    ("run --cap-add cap_sys_admin alpine", SCENE),
    ("run --device /dev/vda alpine", SCENE),
    ("run --pid host alpine", SCENE),
    ("run --mount type=volume,src=new,dst=/x,volume-opt=device=/srv/backups alpine", SCENE),
    (f"run -v books:{DATA} postgres:17", SCENE),  # a second server
    (f"run -v books:{DATA} --entrypoint sh postgres:17", GONE),
    (f"run -v books:{DATA} postgres:17 rm -rf {DATA}", GONE),
    (f"run -v books:{DATA} nginx", GONE),
    ("run --network ledger-dev_default postgres:17 dropdb -h db books", SCENE),
    ("run postgres:17 dropdb -h db books", SCENE),
    ("start db", with_db(running=False, process=replace(_POSTGRES, command=("rm", "-rf", DATA)))),
    ("compose start postgres", with_db(running=False, process=replace(_POSTGRES, entrypoint=("sh",)))),
    ("exec db rm -rf " + DATA, SCENE),
    ("exec --privileged alone true", SCENE),
    ("run -v books:/x postgres:17", GONE),
    ("run -v kept:/pg -e OTHER=/pg postgres:17", GONE),
    ("compose up", with_service(mounts=(_HOLDS, Mount("volume", "kept", "/x")))),
    ("exec app python manage.py flush", SCENE),
    ("exec alone dropdb -h db books", SCENE),
    (f"cp x db:{DATA}/PG_VERSION", SCENE),
    (f"cp x db:{DATA}", SCENE),
    ("cp x db:/var/lib", SCENE),
    ("cp x db:var/lib/postgresql/../postgresql/data/x", SCENE),
    ("cp app:/x /srv/backups/dev/a.dump", SCENE),
    ("cp app:/x ../backups", SCENE),
    (f"compose cp x postgres:{DATA}", SCENE),
    ("export -o /srv/backups/x app", SCENE),
    ("save -o ../backups/x alpine", SCENE),
    ("volume create -o type=none -o o=bind -o device=/srv x", SCENE),
    ("compose up", with_service(mounts=(Mount("volume", "other", DATA),))),
    ("compose up", with_service(mounts=(Mount("tmpfs", "", DATA),))),
    ("compose up", with_service(mounts=())),
    ("compose up", with_service(pgdata="/var/lib/postgresql/data/17")),
    ("compose up", with_service(command=("rm", "-rf", DATA))),
    ("compose up", with_service(unbound="privileged")),
    ("compose up", with_service(mounts=(_HOLDS, Mount("bind", "/srv/backups", "/b")))),
    ("compose up --scale postgres=2", SCENE),
    ("compose scale postgres=3", SCENE),
    ("compose up -V", with_db(process=OLD.process)),
    ("compose up", replace(SCENE, project=replace(FILE, volumes=(Volume("books", labels={"a": "b"}),)))),
    ("compose up -d", replace(GONE, project=with_service(mounts=(Mount("volume", "new", DATA),)).project)),
    ("compose run postgres rm -rf " + DATA, SCENE),
    ("compose run postgres", SCENE),
    ("compose run --entrypoint rm postgres -rf " + DATA, SCENE),
    ("compose run -v kept:/x django true", SCENE),
    ("compose run django python manage.py reset_db", SCENE),
]  # fmt: skip


@pytest.mark.parametrize(("line", "scene"), DESTROYS, ids=[line for line, _ in DESTROYS])
def test_it_destroys(line: str, scene: Scene) -> None:
    assert judged(line, scene).effect == Effect.DESTROYS


UNCERTAIN = [
    ("exec -it db psql", replace(SCENE, stdin=Stdin.DATA)),
    ("compose exec -i postgres psql", replace(SCENE, stdin=Stdin.DATA)),
    ("exec db somebodys-script", SCENE),
    ("exec -e LD_PRELOAD=x db true", SCENE),
    ("exec -i db psql", replace(SCENE, stdin=Stdin.DATA)),
    ("compose exec -T postgres psql", replace(SCENE, stdin=Stdin.DATA)),
    ("compose exec postgres psql", replace(SCENE, stdin=Stdin.DATA)),
    (f"cp - {'d' * 12}:/", SCENE),
    (
        "attach db",
        with_db(
            replace(SCENE, stdin=Stdin.DATA),
            reads_input=True,
            process=replace(_POSTGRES, entrypoint=(), command=("bash",)),
        ),
    ),
    ("cp x db:/tmp/x", SCENE),
    (
        "volume prune --filter label=com.docker.compose.project=ledger-dev",
        replace(MODERN, engine=replace(ENGINE, api=(1, 41))),
    ),
    ("debug db", SCENE),
    ("compose alpha viz", SCENE),
    ("exec -it db psql", replace(BOUND, stdin=Stdin.TERMINAL)),
    ("exec db psql -c 'CREATE TABLE x ()'", SCENE),
    ("exec -it db psql", replace(SCENE, stdin=Stdin.TERMINAL)),
    ("compose exec postgres bash", replace(SCENE, stdin=Stdin.TERMINAL)),
    ("exec app python manage.py migrate", SCENE),
    ("compose run django python manage.py migrate", SCENE),
    ("compose up", with_service(image="postgres:18")),
]


@pytest.mark.parametrize(("line", "scene"), UNCERTAIN, ids=[line for line, _ in UNCERTAIN])
def test_it_cannot_be_known(line: str, scene: Scene) -> None:
    judgement = judged(line, scene)
    assert judgement.effect == Effect.UNCERTAIN
    assert {touch.environment for touch in judgement.impacts} == {"dev"}


READS = [
    ("run --mount type=volume,src=books,dst=/x,readonly alpine", SCENE),
    ("run --mount type=volume,src=books,dst=/x,ro=true alpine", SCENE),
    ("start -a db", with_db(running=False)),
    ("exec db psql", replace(SCENE, stdin=Stdin.DATA)),
    ("compose exec --interactive=false postgres psql", replace(SCENE, stdin=Stdin.DATA)),
    ("stop olddb", SCENE),
    ("exec alone python manage.py migrate", SCENE),
    ("compose up", replace(with_service(), engine=replace(ENGINE, containers=(APP,)))),
    ("compose up", replace(with_service(image="ledger-db"), engine=replace(ENGINE, containers=(APP,)))),
    ("volume rm plain", SCENE),
    ("volume prune", replace(SCENE, engine=replace(ENGINE, volumes=ENGINE.volumes[:3]))),
    ("volume prune", MODERN),
    ("volume prune --filter label!=com.ledgerflow.protect", SCENE),
    ("volume prune --filter label=nothing", SCENE),
    ("container prune", replace(SCENE, engine=replace(ENGINE, containers=(DB, APP, ALONE)))),
    ("rm -fv db", SCENE),
    ("stop db", SCENE),
    ("compose down", SCENE),
    ("compose down --volumes=false", SCENE),
    ("compose down -v -v=false", SCENE),
    ("compose wait x", with_db(process=OLD.process)),
    ("compose stop", SCENE),
    ("run -v books:/x:ro alpine", SCENE),
    ("run -v plain:/x alpine rm -rf /x", SCENE),
    ("run -v /srv/app:/x alpine", SCENE),
    ("run -v .:/x alpine", SCENE),
    ("run --volumes-from db:ro alpine", SCENE),
    ("run --device /dev/dri alpine", SCENE),
    ("run --cap-add NET_ADMIN alpine", SCENE),
    (f"run -v books:{DATA} postgres:17", GONE),
    (f"run -v books:{DATA} postgres:17 -c shared_buffers=1GB", GONE),
    ("run --rm alpine somebodys-script", SCENE),
    ("run -v kept:/pg -e PGDATA=/pg postgres:17", GONE),
    ("start db", STOPPED),
    ("restart db", SCENE),
    ("exec db ls " + DATA, SCENE),
    ("exec db psql -c 'SELECT 1'", SCENE),
    ("exec alone somebodys-script", SCENE),
    ("exec -i alone sh", replace(SCENE, stdin=Stdin.DATA)),
    ("exec app python manage.py check", SCENE),
    ("attach db", replace(SCENE, stdin=Stdin.DATA)),
    (f"cp db:{DATA} -", SCENE),
    ("cp db:/x /srv/app/x", SCENE),
    ("cp x app:" + DATA, SCENE),
    ("export app", SCENE),
    ("save -o x alpine", SCENE),
    ("volume create -o device=/srv/media x", SCENE),
    ("compose up -d", SCENE),
    ("compose up -d", GONE),
    ("compose up --scale django=3", SCENE),
    ("compose up -V", SCENE),
    ("compose restart", SCENE),
    ("compose run django python manage.py check", SCENE),
    ("compose run postgres psql -h postgres -c 'SELECT 1'", SCENE),
    ("compose config", SCENE),
]


@pytest.mark.parametrize(("line", "scene"), READS, ids=[line for line, _ in READS])
def test_it_leaves_all_as_it_is(line: str, scene: Scene) -> None:
    judgement = judged(line, scene)
    assert (judgement.impacts, judgement.unknown) == ((), "")


def test_another_projects_database_is_not_ours() -> None:
    assert judged("exec app python manage.py migrate", BLOG).impacts == ()
    everything = replace(BLOG, guarded=replace(BLOG.guarded, every_postgres=True))
    (touch,) = judged("exec app python manage.py migrate", everything).impacts
    assert (touch.effect, touch.environment) == (Effect.UNCERTAIN, "")


@pytest.mark.parametrize(
    "line", ["swarm leave", "frob", "mcp catalog ls", "stack deploy -c x y", "rm --frob x"]
)
def test_what_is_not_known_here_and_names_nothing_of_ours_is_dockers_to_report(line: str) -> None:
    judgement = judged(line)
    assert (judgement.impacts, judgement.unknown) == ((), "")


def test_a_container_is_named_by_its_name_before_its_id() -> None:
    twin = replace(ALONE, id="e" * 64, name="d" * 4)
    engine = replace(ENGINE, containers=(*ENGINE.containers, twin))
    assert engine.container("d" * 4) is twin
    assert engine.container("d" * 5) is DB
    assert engine.container("/db") is DB
    assert engine.container("") is None


class TestWhatIsProtected:
    def test_by_label_name_use_memory_and_looks(self) -> None:
        volumes = ("kept", "named", "books", "seen", "ledger_postgres_data", "wiki_postgres_data")
        engine = replace(ENGINE, volumes=(*map(Volume, volumes[1:]), ENGINE.volumes[3]))
        guarded = ConfiguredProtection(volumes=frozenset({"named"}), remembered={"seen": "dev"}, folders=())
        assert set(replace(SCENE, engine=engine, guarded=guarded).protected) == set(volumes[:-1])

    def test_a_label_that_says_no_is_heard_but_not_against_the_settings(self) -> None:
        off = {"com.ledgerflow.protect": "false"}
        engine = replace(ENGINE, volumes=(Volume("books", off), Volume("named", off)))
        scene = replace(SCENE, engine=engine, guarded=ConfiguredProtection(volumes=frozenset({"named"})))
        assert set(scene.protected) == {"named"}

    def test_another_name_for_a_protected_folder(self) -> None:
        engine = replace(
            ENGINE,
            volumes=(
                Volume("alias", options={"device": "/srv/backups/dev"}),
                Volume("x", options={"device": "/srv/x"}),
            ),
        )
        assert set(replace(SCENE, engine=engine).protected) == {"alias"}

    def test_a_folder_of_the_host_that_a_postgresql_works_on(self) -> None:
        bound = replace(_POSTGRES, mounts=(Mount("bind", "/srv/pg", DATA),))
        scene = with_db(process=bound)
        assert judged("run -v /srv/pg/base:/x alpine", scene).effect == Effect.DESTROYS
        assert judged("run -v /srv/pg:/x:ro alpine", scene).effect == Effect.READS


class TestWhoseItIs:
    @pytest.mark.parametrize(
        ("line", "signs"),
        [
            ("compose up -d", {"dev": 2}),
            ("exec db true", {"dev": 1}),
            ("stop db app", {"dev": 2}),
            ("cp db:/x -", {"dev": 1}),
            ("exec alone true", {}),
            ("volume rm plain", {}),
        ],
    )
    def test_the_signs_are_reported(self, line: str, signs: dict[str, int]) -> None:
        found = [target.environment for target in judged(line).targets]
        assert {name: found.count(name) for name in found} == signs

    def test_files_of_another_environment_are_a_sign(self) -> None:
        project = replace(FILE, files=("/x/docker-compose.prod.yml",), env_files=("/x/.env.test",))
        found = {
            target.environment for target in judged("compose up", replace(SCENE, project=project)).targets
        }
        assert found == {"dev", "prod", "test"}

    def test_the_settings_say_whose_a_project_is(self) -> None:
        scene = replace(
            SCENE,
            guarded=ConfiguredProtection(projects={"books": "prod"}),
            project=replace(FILE, name="books"),
        )
        assert {target.environment for target in judged("compose up", scene).targets} == {"prod", "dev"}


class TestWhatCannotBeTold:
    @pytest.mark.parametrize(
        "line", ["rm --frob db", "--frob ps", "volume rm ./books", "run --frob --pid x i"]
    )
    def test_it_is_unknown_while_something_protected_is_there(self, line: str) -> None:
        assert judged(line).unknown
        bare = replace(SCENE, engine=Engine((Volume("plain"),)), project=None)
        assert not judged(line, bare).unknown

    def test_a_silent_engine(self) -> None:
        judgement = judged("stop db", Scene(silent="the engine does not answer"))
        assert (judgement.unknown, "Start the engine" in judgement.way_out) == (
            "the engine does not answer",
            True,
        )
        assert not judged("ps", Scene(silent="the engine does not answer")).unknown

    @pytest.mark.parametrize(("line", "told"), [("compose up", False), ("compose down -v", True)])
    def test_a_compose_file_that_cannot_be_read(self, line: str, told: bool) -> None:
        unread = Project("ledger-dev", unread="yaml: line 3")
        judgement = judged(line, replace(SCENE, project=unread))
        assert (judgement.unknown == "") is told
        assert judged(line, replace(SCENE, project=replace(unread, name="shop"))).unknown == ""
        assert not judged(line, Scene(Engine((Volume("plain"),)), project=unread)).unknown
