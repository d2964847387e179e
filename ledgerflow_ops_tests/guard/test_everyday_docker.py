"""The everyday commands of work on LedgerFlow, without a fresh backup."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ledgerflow_ops.guard.command_line.parse import parse
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.model import ConfiguredProtection, Stdin
from ledgerflow_ops.guard.permit import Answer, PermitContext, Requirement, Verdict, permit
from ledgerflow_ops.guard.resolve import EngineClient, resolve
from ledgerflow_ops.guard.rules.judge import judge
from ledgerflow_ops_tests.fakes import ledgerflow
from ledgerflow_ops_tests.fakes.engine import Engine

Permitted = Callable[[str], Verdict]

CHANGE_NOTHING = """
docker ps
docker ps -a
docker images
docker logs -f --tail 100 ledger-dev-django-1
docker inspect ledger-dev-postgres-1
docker stats --no-stream
docker top ledger-dev-postgres-1
docker port ledger-dev-postgres-1
docker volume ls
docker volume inspect ledger-dev_ledgerflow_dev_postgres_data
docker network ls
docker system df
docker info
docker version
docker pull postgres:17
docker build -t ledgerflow:dev .
docker build --no-cache -t ledgerflow:dev -f Dockerfile .
docker image prune -f
docker builder prune -f
docker tag ledgerflow:dev ledgerflow:next
docker context ls
docker restart ledger-dev-django-1
docker stop ledger-dev-redis-1
docker start ledger-dev-redis-1
docker exec ledger-dev-postgres-1 pg_isready
docker exec ledger-dev-django-1 env
docker exec ledger-dev-postgres-1 ls -la /var/lib/postgresql/data
docker exec ledger-dev-postgres-1 psql -U ledgerflow_dev -d ledgerflow_dev -c \\dt
docker exec ledger-dev-postgres-1 psql -U ledgerflow_dev -d ledgerflow_dev -Atc SELECT/**/1
docker exec ledger-dev-postgres-1 pg_dump -U ledgerflow_dev ledgerflow_dev
docker cp ledger-dev-postgres-1:/var/lib/postgresql/data/postgresql.conf .
docker cp ledger-dev-django-1:/usr/src/app/static .
docker run --rm --network none postgres:17 psql --version
docker run --rm -v ./static:/srv --network none ledgerflow-system:tests ls /srv
COMPOSE ps
COMPOSE ps -a
COMPOSE config --services
COMPOSE images
COMPOSE logs -f django
COMPOSE up -d
COMPOSE up -d --wait
COMPOSE up -d --no-deps django
COMPOSE up -d --force-recreate django
COMPOSE up -d --remove-orphans
COMPOSE build
COMPOSE pull
COMPOSE restart django
COMPOSE stop
COMPOSE start
COMPOSE down
COMPOSE down --remove-orphans
COMPOSE exec django python manage.py check
COMPOSE exec -T django python manage.py showmigrations
COMPOSE exec -T postgres pg_dump -U ledgerflow_dev ledgerflow_dev
COMPOSE exec -T postgres psql -U ledgerflow_dev -d ledgerflow_dev -l
COMPOSE run --rm --no-deps django python manage.py makemigrations --check --dry-run
COMPOSE run --rm django python manage.py collectstatic --noinput
COMPOSE cp django:/usr/src/app/static ./static
COMPOSE top
""".strip().splitlines()
WANT_A_BACKUP = """
docker cp notes.sql ledger-dev-postgres-1:/tmp/notes.sql
docker exec -it ledger-dev-django-1 bash
docker exec -it ledger-dev-postgres-1 psql -U ledgerflow_dev -d ledgerflow_dev
COMPOSE exec postgres psql -U ledgerflow_dev -d ledgerflow_dev
COMPOSE exec django python manage.py shell
COMPOSE exec django python manage.py createsuperuser
COMPOSE exec django bash
COMPOSE run --rm django bash
docker exec ledger-dev-postgres-1 createdb -U ledgerflow_dev scratch
COMPOSE exec django python manage.py migrate
COMPOSE run --rm django python manage.py migrate
COMPOSE exec -T postgres psql -U ledgerflow_dev -d ledgerflow_dev -c VACUUM
""".strip().splitlines()
"""What may change rows, and what nobody can see into."""


@pytest.fixture(scope="module")
def permitted(engine: Engine, session_root: Path) -> Iterator[Permitted]:
    """The verdict on a line typed at a terminal in dev's folder, while dev runs and has no backup."""
    dev = ledgerflow.project(engine, session_root / "everyday", "dev")
    dev.up()
    known = f"compose -p {dev.name} -f {dev.file.name} --env-file {dev.env_file.name}"

    def ask(line: str) -> Verdict:
        words = line.replace("COMPOSE", f"docker {known}").split()[1:]
        call = parse("docker", words)
        guarded = ConfiguredProtection(folders=(str(dev.folder / "backups"),))
        if call.reads:
            return permit(judge(call, Scene()), PermitContext("dev"))
        scene = resolve(EngineClient(engine.client, call), lambda _: guarded)
        return permit(judge(call, replace(scene, stdin=Stdin.TERMINAL)), PermitContext("dev"))

    with pytest.MonkeyPatch.context() as patch:
        for name, value in engine.environment().items():
            patch.setenv(name, value)
        patch.chdir(dev.folder)
        yield ask
    engine.clear()


def test_what_changes_nothing_is_let_through(permitted: Permitted) -> None:
    said = {line: permitted(line) for line in CHANGE_NOTHING}
    assert len(said) >= 50
    assert not {line: verdict.reason for line, verdict in said.items() if not verdict.allowed}


@pytest.mark.parametrize("line", WANT_A_BACKUP)
def test_what_may_change_rows_wants_a_backup(permitted: Permitted, line: str) -> None:
    verdict = permitted(line)
    assert (verdict.answer, verdict.wanted) == (Answer.INSURE, Requirement.BACKUP)
