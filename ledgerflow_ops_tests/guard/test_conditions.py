"""Each condition of reach, of known losses and of the permit, by a scene in which it alone decides."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.effects import DataEffect, Effect, Judgement
from ledgerflow_ops.guard.model import (
    ConfiguredProtection,
    Container,
    Engine,
    Hook,
    Mount,
    Process,
    Project,
    Service,
    Volume,
)
from ledgerflow_ops.guard.permit import Answer, BackupState, PermitContext, permit
from ledgerflow_ops_tests.guard.test_judge import ALONE, APP, DATA, DB, ENGINE, FILE, SCENE, judged

_OURS = {"com.docker.compose.project": "ledger-dev"}
_ENVIRONMENT = "com.ledgerflow.environment"
_FLUSH = "exec one python manage.py flush"
_HOLDS = Mount("volume", "books", DATA)


def beside(joined: set[str], labels: dict[str, str] | None = None, **database: Any) -> Scene:
    """The database, changed, and one other container."""
    one = Container("1" * 64, "one", Process("x"), networks=frozenset(joined), labels=labels or {})
    return replace(SCENE, engine=replace(ENGINE, containers=(replace(DB, **database), one)), project=None)


REACHED = [
    (_FLUSH, beside({"none"}, {_ENVIRONMENT: "dev"})),
    (_FLUSH, beside({"none"}, _OURS)),
    (_FLUSH, beside({"ledger-dev_default"})),
    (_FLUSH, beside({"container:db"})),
    (_FLUSH, beside({f"container:{'d' * 64}"})),
    (_FLUSH, beside({"one"}, networks=frozenset({"container:one"}))),
    (_FLUSH, beside({"host"}, published=True)),
    (_FLUSH, beside({"host"}, networks=frozenset({"host"}))),
    ("exec one dropdb -h host.docker.internal x", beside({"bridge"}, published=True)),
    ("exec one dropdb -h 10.1.1.1 x", beside({"bridge"}, addresses=frozenset({"10.1.1.1"}))),
    ("exec one dropdb ledger_books", beside({"bridge"}, database="ledger_books")),
]
APART = [
    (_FLUSH, beside({"bridge"})),
    (_FLUSH, beside({"bridge"}, networks=frozenset({"bridge"}))),
    (_FLUSH, beside({"none"}, {_ENVIRONMENT: "test"})),
    (_FLUSH, beside({"none"}, {"com.docker.compose.project": "shop"})),
    (_FLUSH, beside({"host"})),
    (_FLUSH, beside({"bridge"}, published=True)),
    (_FLUSH, beside({"bridge"}, networks=frozenset({"host"}))),
    (_FLUSH, beside({"container:web"})),
    ("exec one dropdb -h host.docker.internal x", beside({"bridge"})),
    ("exec one dropdb books", beside({"bridge"}, database="books")),
]


@pytest.mark.parametrize(("line", "scene"), REACHED)
def test_it_reaches_the_database(line: str, scene: Scene) -> None:
    (impact,) = judged(line, scene).impacts
    assert (impact.effect, impact.environment, impact.volumes) == (Effect.DESTROYS, "dev", ("books",))


@pytest.mark.parametrize(("line", "scene"), APART)
def test_it_does_not_reach_it(line: str, scene: Scene) -> None:
    assert judged(line, scene).impacts == ()


def test_what_only_mounts_the_backups_is_no_database() -> None:
    keeper = replace(APP, name="keeper", process=Process("x", mounts=(Mount("bind", "/srv/backups", "/b"),)))
    scene = replace(SCENE, engine=replace(ENGINE, containers=(keeper, ALONE)), project=None)
    assert scene.databases() == []
    holder = replace(APP, process=Process("x", mounts=(Mount("volume", "kept", "/x"),)))
    assert replace(scene, engine=replace(ENGINE, containers=(holder,))).databases() == [holder]


class TestProtection:
    """Which volumes and folders are protected, and whose they are."""

    @staticmethod
    def protected(volume: Volume, *containers: Container, **guarded: Any) -> dict[str, str]:
        engine = Engine((volume,), containers)
        return Scene(engine, guarded=ConfiguredProtection(**guarded)).protected

    def test_a_record_of_another_projects_volume_protects_nothing(self) -> None:
        assert self.protected(Volume("v"), remembered={"v": ""}) == {}
        assert set(self.protected(Volume("v"), remembered={"v": "dev"})) == {"v"}
        assert set(self.protected(Volume("v", _OURS), remembered={"v": ""})) == {"v"}

    def test_a_name_alone_needs_to_say_both(self) -> None:
        assert self.protected(Volume("ledger_cache")) == {}
        assert self.protected(Volume("shop_postgres")) == {}
        assert set(self.protected(Volume("some_pgdata", _OURS))) == {"some_pgdata"}

    @pytest.mark.parametrize(
        ("project", "mount", "due"),
        [
            ("ledger-dev", Mount("volume", "v", DATA), {"v"}),
            ("shop", Mount("volume", "v", DATA), set()),
            ("ledger-dev", Mount("bind", "v", DATA), set()),
            ("ledger-dev", Mount("volume", "v", "/srv"), set()),
        ],
    )
    def test_a_volume_at_the_data_folder_of_the_compose_file(
        self, project: str, mount: Mount, due: set[str]
    ) -> None:
        service = Service("a", Process("x", mounts=(mount,)))
        scene = Scene(Engine((Volume("v"),)), project=Project(project, (service,)))
        assert set(scene.protected) == due

    @pytest.mark.parametrize(
        ("labels", "mount", "due"),
        [
            (_OURS, Mount("volume", "v", DATA), {"v"}),
            ({}, Mount("volume", "v", DATA), set()),
            (_OURS, Mount("tmpfs", "v", DATA), set()),
            (_OURS, Mount("volume", "v", "/srv"), set()),
        ],
    )
    def test_a_volume_at_a_running_servers_data_folder(
        self, labels: dict[str, str], mount: Mount, due: set[str]
    ) -> None:
        holder = replace(DB, labels=labels, process=Process("x", mounts=(mount,)))
        assert set(self.protected(Volume("v"), holder)) == due

    @pytest.mark.parametrize(
        ("mount", "due"),
        [
            (Mount("bind", "/srv/pg", DATA), True),
            (Mount("bind", "/srv/pg", "/srv"), False),
            (Mount("bind", "/srv/pg", DATA, writable=False), False),
            (Mount("volume", "/srv/pg", DATA), False),
        ],
    )
    def test_a_folder_of_the_host(self, mount: Mount, due: bool) -> None:
        holder = replace(DB, process=Process("x", mounts=(mount,)))
        assert ("/srv/pg" in Scene(Engine(containers=(holder,))).folders) is due

    def test_whose_a_volume_is(self) -> None:
        engine = Engine((Volume("v", {_ENVIRONMENT: "test", **_OURS}), Volume("w"), Volume("books")), (DB,))
        scene = Scene(engine, guarded=ConfiguredProtection(remembered={"w": "prod"}))
        assert [scene.environment_of_volume(name) for name in ("v", "w", "books")] == ["test", "prod", "dev"]
        assert scene.held_postgres() == {"books", "w"}

    def test_a_path_counts_as_it_is_written_and_as_it_resolves(self) -> None:
        for links, path in (({"/srv/backups": "/else"}, "/srv/backups"), ({"/l": "/srv/backups"}, "/l")):
            assert judged(f"run -v {path}:/x alpine", replace(SCENE, links=links)).impacts

    @pytest.mark.parametrize(
        ("disk", "api", "path", "lost"),
        [
            ("/srv/backups", (1, 43), "/srv", True),
            ("/srv/backups", (1, 44), "/srv", False),
            ("", (1, 43), "/srv", False),
            ("/", (1, 43), "/srv", False),
            ("/srv/backups", (1, 43), "/srv/backups/dev", False),
        ],
    )
    def test_a_disk_below_a_folder_that_is_mounted_read_only(
        self, disk: str, api: tuple[int, int], path: str, lost: bool
    ) -> None:
        """Before API 1.44 what is mounted there stays writable."""
        engine = replace(ENGINE, api=api)
        scene = replace(SCENE, engine=engine, disks={"/srv/backups": disk})
        assert bool(judged(f"run -v {path}:/x:ro alpine touch /x/y", scene).impacts) is lost


_WIPES = Hook(("rm", "-rf", f"{DATA}/base"))
_STOPS = replace(
    SCENE, project=replace(FILE, services=(replace(FILE.services[0], at_stop=(_WIPES,)), FILE.services[1]))
)
_SHADOWED = replace(
    SCENE, project=replace(FILE, services=(Service("postgres", replace(DB.process, mounts=())),))
)


@pytest.mark.parametrize(
    ("line", "scene", "lost"),
    [
        ("compose --dry-run down -v", SCENE, False),
        ("compose --dry-run up", _SHADOWED, True),
        ("compose stop", _STOPS, True),
        ("compose stop django", _STOPS, False),
        ("compose kill", _STOPS, False),
        ("compose rm", _STOPS, False),
        ("compose rm --stop", _STOPS, True),
        ("system prune", replace(SCENE, engine=replace(ENGINE, containers=(DB, APP))), False),
        ("system prune --volumes", replace(SCENE, engine=replace(ENGINE, containers=(DB, APP))), True),
        ("volume prune --filter label=com.docker.compose.project=ledger-dev",
         replace(SCENE, engine=replace(ENGINE, api=(1, 44), containers=(DB, APP))), False),
    ],
)  # fmt: skip
def test_what_is_lost(line: str, scene: Scene, lost: bool) -> None:
    assert bool(judged(line, scene).impacts) is lost


_STOPPED = replace(SCENE, engine=replace(ENGINE, containers=(replace(DB, running=False), APP, ALONE)))
_BOUND = Mount("bind", "/srv/pg", DATA)
_FOLDER_DB = replace(DB, running=False, process=replace(DB.process, mounts=(_BOUND,)))
_ON_FOLDER = replace(SCENE, engine=replace(ENGINE, containers=(_FOLDER_DB, APP)), project=None)
_ELSEWHERE = replace(SCENE, elsewhere={"far": True, "near": False}, project=None)
_DEEP = replace(SCENE, guarded=ConfiguredProtection(folders=("/srv/deep/backups",)))
_MADE = Container(
    "2" * 64, "made", Process("x", (), ("dropdb", "books")), running=False,
    networks=frozenset({"ledger-dev_default"}),
)  # fmt: skip
_WITH_MADE = replace(SCENE, engine=replace(ENGINE, containers=(DB, _MADE)), project=None)


@pytest.mark.parametrize(
    ("line", "scene", "lost"),
    [
        ("run -v /proc:/p alpine", SCENE, True),
        ("run -v /srv/pg:/var/lib/postgresql/data postgres:17", _ON_FOLDER, False),
        ("run -v /srv/pg:/x postgres:17", _ON_FOLDER, True),
        ("run -v /srv/backups:/var/lib/postgresql/data postgres:17", SCENE, True),
        ("run -v /var/run/docker.sock:/var/lib/postgresql/data postgres:17", SCENE, True),
        ("run -v /srv:/x alpine ls /x", _DEEP, False),
        ("run -v /srv:/x alpine touch /x/y", _DEEP, True),
        ("run -v /srv:/x alpine", _DEEP, True),
        ("run -v /srv/deep:/x alpine ls /x", _DEEP, True),
        ("run -v /:/x alpine touch /x/y", SCENE, True),
        ("run -v /:/x alpine", SCENE, True),
        ("run -v /srv:/x alpine ls /x", SCENE, True),
        (f"run -v books:{DATA} -v more:{DATA}/base postgres:17", _STOPPED, True),
        (f"run -v books:{DATA} -v ./a.conf:{DATA}/postgresql.conf postgres:17", _STOPPED, False),
        (f"run -v books:{DATA} -v a.conf:{DATA}/a.conf postgres:17", _STOPPED, True),
        (f"run -v books:{DATA} -v ./a.sql:{DATA}/a.sql postgres:17", _STOPPED, True),
        (f"run -v books:{DATA} -v more:/srv postgres:17", _STOPPED, False),
        ("cp app:/etc/x /srv/backups/dev", SCENE, True),
        ("cp app:/backups /srv", SCENE, True),
        ("cp app:/backups/. /srv/backups", SCENE, True),
        ("cp app:/others /srv", SCENE, False),
        ("cp app:/. /srv", SCENE, True),
        ("cp ./a /srv/backups", SCENE, False),
        ("cp app:/x -", SCENE, False),
        (f"cp x /db:{DATA}/x", SCENE, True),
        ("cp app:/x /l", replace(SCENE, links={"/l": "/srv/backups/x"}), True),
        ("network connect ledger-dev_default alone", SCENE, True),
        ("network connect other alone", SCENE, False),
        ("network connect ledger-dev_default app", SCENE, False),
        ("network connect ledger-dev_default nobody", SCENE, False),
        ("context use far", _ELSEWHERE, True),
        ("context use near", _ELSEWHERE, False),
        ("context use far", replace(_ELSEWHERE, engine=Engine()), False),
        ("context update x --docker host=tcp://x", SCENE, True),
        ("context update x --description y", SCENE, False),
        ("start made", _WITH_MADE, True),
        ("start made", replace(_WITH_MADE, engine=replace(ENGINE, containers=(DB, replace(
            _MADE, running=True)))), False),
        ("exec --env-file x db true", SCENE, True),
        ("exec -e ODD=1 db true", SCENE, True),
        ("exec -e PGUSER=x db true", SCENE, False),
        (f"exec -w {DATA} db rm -rf base", SCENE, True),
        ("run --health-cmd 'dropdb -h db books' alpine true", SCENE, False),
        (f"run --health-cmd 'rm -rf {DATA}/base' -v books:{DATA} postgres:17", _STOPPED, True),
        ("exec --privileged alone true", replace(SCENE, engine=Engine(containers=(ALONE,))), False),
    ],
)  # fmt: skip
def test_what_a_container_could_do(line: str, scene: Scene, lost: bool) -> None:
    assert bool(judged(line, scene).impacts) is lost


_BOOKS = replace(ENGINE, volumes=(Volume("books", _OURS),), containers=(DB, APP))
_NAMELESS = replace(APP, process=Process("x", mounts=(Mount("volume", "e" * 64, "/x"),)))
_NOT_ITS_OWN = Volume("books", external=True)
_TWO = replace(DB, name="two", id="3" * 64, running=False)
_HELD = replace(_BOOKS, api=(1, 41))
_LABELLED = Engine((Volume("kept", {"com.ledgerflow.protect": "true"}),))
_OF_OURS = "volume prune --filter label=com.docker.compose.project=ledger-dev"


@pytest.mark.parametrize(
    ("line", "scene", "lost"),
    [
        ("compose down -v", Scene(_BOOKS, project=Project("ledger-dev")), True),
        ("compose down -v", Scene(_BOOKS, project=Project("shop")), False),
        ("compose down -v", Scene(_BOOKS, project=Project("shop", (), (Volume("books"),))), True),
        ("compose down -v", Scene(_BOOKS, project=Project("shop", (), (_NOT_ITS_OWN,))), False),
        ("system prune --volumes", Scene(_BOOKS), False),
        ("system prune --volumes", Scene(replace(_BOOKS, containers=(replace(DB, running=False),))), True),
        ("system prune --volumes --filter label=x", Scene(replace(_BOOKS, containers=())), False),
        ("volume prune --filter label!=x", Scene(_LABELLED), True),
        ("volume prune --filter label!=com.ledgerflow.protect", Scene(_LABELLED), False),
        ("volume prune --filter label=com.ledgerflow.protect=true", Scene(_LABELLED), True),
        ("volume prune --filter label=com.ledgerflow.protect=no", Scene(_LABELLED), False),
        (_OF_OURS, Scene(_HELD), True),
        (_OF_OURS, Scene(replace(_HELD, volumes=(Volume("cache", _OURS),))), False),
        ("rm app", Scene(Engine((Volume("e" * 64),), (_NAMELESS,))), False),
        ("start two", Scene(replace(_BOOKS, containers=(DB, _TWO))), True),
        ("start two", Scene(replace(_BOOKS, containers=(replace(DB, running=False), _TWO))), False),
        ("start two", Scene(replace(_BOOKS, containers=(replace(DB, process=Process(
            "x", mounts=(replace(_HOLDS, writable=False),))), _TWO))), False),
    ],
)  # fmt: skip
def test_what_a_removal_or_a_second_server_loses(line: str, scene: Scene, lost: bool) -> None:
    assert bool(judged(line, scene).impacts) is lost


def _unread(name: str, *files: str) -> Scene:
    return replace(SCENE, project=Project(name, files=files, unread="yaml: line 3"))


@pytest.mark.parametrize(
    ("line", "scene", "unknown"),
    [
        ("volume rm x --help", Scene(silent="gone"), False),
        ("frob", Scene(silent="gone"), False),
        ("volume rm x", Scene(silent="gone"), True),
        ("compose down --frob", SCENE, True),
        ("compose down --frob", replace(SCENE, project=Project("shop")), False),
        ("compose down --frob", replace(SCENE, project=Project("")), True),
        ("volume prune --frob", SCENE, True),
        ("compose up", _unread("shop", "-"), True),
        ("compose up", _unread("shop", "a.yml"), False),
        ("compose up", _unread("ledger-dev", "a.yml"), True),
        ("compose down -v", _unread("ledger-dev", "a.yml"), True),
        ("compose down", _unread("ledger-dev", "a.yml"), False),
        ("compose stop", _unread("ledger-dev", "-"), True),
        ("compose stop", _unread("ledger-dev", "a.yml"), False),
        ("compose kill", _unread("ledger-dev", "-"), False),
        ("compose kill", _unread("", "-"), True),
        ("compose config", _unread("", "-"), False),
    ],
)
def test_what_cannot_be_told(line: str, scene: Scene, unknown: bool) -> None:
    assert bool(judged(line, scene).unknown) is unknown


def test_what_only_prints_has_no_target() -> None:
    assert judged("compose config").targets == ()
    assert judged("compose ps").targets == ()


class TestPermit:
    """Of what is to be insured only the backup can be taken for somebody; a known loss is refused."""

    LOSS = DataEffect(Effect.DESTROYS, "it drops x", "dev")
    OPEN = DataEffect(Effect.UNCERTAIN, "it may drop x", "dev")
    NONE = PermitContext("dev", "dev", BackupState())
    FRESH = PermitContext("dev", "", BackupState("b.dump", timedelta(minutes=1)))

    def test_a_missing_backup_is_taken_for_what_cannot_be_known_alone(self) -> None:
        assert permit(Judgement((self.OPEN,)), self.NONE).answer is Answer.INSURE
        assert permit(Judgement((self.LOSS,)), self.NONE).answer is Answer.REFUSE
        assert permit(Judgement((self.LOSS, self.OPEN)), self.NONE).answer is Answer.REFUSE

    def test_in_dev_what_cannot_be_known_needs_no_name(self) -> None:
        assert permit(Judgement((self.OPEN,)), self.FRESH).allowed
        assert not permit(Judgement((self.LOSS,)), self.FRESH).allowed

    def test_a_loss_without_an_environment_needs_one_to_be_set(self) -> None:
        nowhere = replace(self.LOSS, environment="")
        assert permit(Judgement((nowhere,)), PermitContext("")).reason == "LEDGER_ENV is not set."
        verdict = permit(Judgement((replace(self.OPEN, environment=""),)), PermitContext(""))
        assert "no backup can insure it" in verdict.reason
        assert permit(Judgement(), PermitContext("")).allowed

    def test_hints_name_the_environment_that_is_set(self) -> None:
        loss = replace(self.LOSS, environment="")
        assert "LEDGER_ENV=dev" in permit(Judgement((self.OPEN,)), self.NONE).hint
        assert "LEDGER_ENV=Dev" not in permit(Judgement((loss,)), PermitContext("Dev")).hint
