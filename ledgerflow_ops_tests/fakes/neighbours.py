"""LedgerFlow's projects beside others on one engine: a shop, a wiki with a PostgreSQL, bad neighbours.

The folders and files are those that the lines in `guard/lines.tsv` are typed in.
"""

import textwrap
from dataclasses import dataclass
from pathlib import Path

from ledgerflow_ops_tests.fakes import image, ledgerflow
from ledgerflow_ops_tests.fakes.engine import Engine
from ledgerflow_ops_tests.fakes.ledgerflow import Project

_PLAIN = f"image: {image.SYSTEM}, network_mode: none, init: true, stop_grace_period: 0s"
_SLEEPS = f'{{{_PLAIN}, command: ["sleep", "infinity"]}}'
_OUTSIDE = "volumes: {data: {external: true, name: ledger-dev_ledgerflow_dev_postgres_data}}"
_WIPES = 'command: ["sh", "-c", "rm -rf /x/*"]'
_DATA = "ledgerflow_dev_postgres_data"
NEIGHBOURS = {
    "shop": f"""
        services:
          web: {{{_PLAIN}, command: ["sleep", "infinity"], volumes: ["./:/app", "cache:/cache"]}}
          mysql: {_SLEEPS}
          redis: {_SLEEPS}
        volumes: {{cache: }}
        """,
    "wiki": f"""
        services:
          db:
            image: {image.NAME}
            network_mode: none
            environment: {{POSTGRES_PASSWORD: wiki}}
            volumes: ["db:{image.DATA}"]
          web: {_SLEEPS}
        volumes: {{db: }}
        """,
    "e_external": f"services: {{a: {{{_PLAIN}, {_WIPES}, volumes: ['data:/x']}}}}\n{_OUTSIDE}\n",
    "e_bindopt": f"""
        services: {{a: {{{_PLAIN}, {_WIPES}, volumes: ["data:/x"]}}}}
        volumes: {{data: {{driver_opts: {{type: none, o: bind, device: PLACE}}}}}}
        """,
    "e_volfrom": f"""
        services:
          a: {{{_PLAIN}, {_WIPES}, volumes_from: ["container:ledger-dev-postgres-1"]}}
        """,
    "e_privileged": f"services: {{a: {{{_PLAIN}, {_WIPES}, privileged: true}}}}\n",
    "e_extends": "services: {a: {extends: {file: ../e_external/compose.yaml, service: a}}}\n"
    + _OUTSIDE
    + "\n",
    "e_psql": f"""
        services:
          a:
            image: {image.SYSTEM}
            network_mode: container:ledger-dev-postgres-1
            command: ["psql", "-h", "127.0.0.1", "-U", "ledgerflow_dev", "-c", "DROP TABLE books"]
        """,
    "e_sock": f"services: {{a: {{{_PLAIN}, {_WIPES}, volumes: ['/var/run/docker.sock:/s']}}}}\n",
    "e_profile": f"""
        services:
          a: {_SLEEPS}
          b: {{{_PLAIN}, {_WIPES}, profiles: [wipe], volumes: ["data:/x"]}}
        {_OUTSIDE}
        """,
}
"""Folder → its compose.yaml."""
OVERRIDES = {
    "tmpfs": f"postgres: {{tmpfs: [{image.DATA}]}}",
    "pgdata": f"postgres: {{environment: {{PGDATA: {image.DATA}/new}}}}",
    "flush": 'django: {command: ["python", "manage.py", "flush", "--noinput"]}',
    "hook": f'postgres: {{post_start: [{{command: ["rm", "-rf", "{image.DATA}/base"]}}]}}',
    "config": f"postgres: {{configs: [{{source: c, target: {image.DATA}/PG_VERSION}}]}}",
    "bind": f"postgres: {{volumes: ['./:{image.DATA}/base']}}",
    "entry": f'postgres: {{entrypoint: ["rm", "-rf", "{image.DATA}"]}}',
}
"""Name → what it changes of LedgerFlow's services."""


@dataclass(frozen=True)
class Neighbourhood:
    """LedgerFlow's dev and prod and their neighbours; `folder` holds one folder for each."""

    folder: Path
    dev: Project
    prod: Project


def build(engine: Engine, folder: Path) -> Neighbourhood:
    """Write all the files, and start LedgerFlow, the shop and the wiki."""
    ours = folder / "ledger-dev"
    dev, prod = (ledgerflow.project(engine, ours, name) for name in ("dev", "prod"))
    for project in (dev, prod):
        project.up()
        project.psql(
            "CREATE TABLE IF NOT EXISTS books (id int); INSERT INTO books SELECT generate_series(1, 100)"
        )
    for name, change in OVERRIDES.items():
        more = "\nconfigs: {c: {content: x}}" if name == "config" else ""
        (ours / f"{name}.override.yml").write_text(f"services:\n  {change}{more}\n")
    place = str(engine.folder / "data/volumes" / dev.volume / "_data")
    for name, text in NEIGHBOURS.items():
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "compose.yaml").write_text(textwrap.dedent(text).replace("PLACE", place))
    (folder / "empty").mkdir(exist_ok=True)
    engine.docker("volume", "create", "scratch")
    for name in ("shop", "wiki"):
        engine.docker("compose", "up", "--detach", cwd=folder / name)
    return Neighbourhood(folder, dev, prod)
