"""What the text of a compose file is taken to show: too little is harmless, too much would not be."""

import pytest

from ledgerflow_ops.guard.compose_text import plain, project_name, sources

SHOP = """
services:
  web:
    image: node:20
    network_mode: none
    ports: ["8080:80"]
    volumes: ["./:/app", "cache:/cache", /srv/shop:/x]
    environment: {DATABASE: shop}
volumes: {cache: }
"""
OURS = ("ledger-dev_postgres_data", "ledger-dev-postgres-1", "ledger-prod")


def test_a_project_that_keeps_to_itself() -> None:
    assert plain([SHOP], [], OURS)
    assert list(sources([SHOP], "/srv/shop")) == ["/srv/shop/./", "/srv/shop"]


@pytest.mark.parametrize(
    "line",
    [
        "network_mode: container:x",
        "network_mode: host",
        '"network_mode": service:a',
        "privileged: true",
        "cap_add: [ALL]",
        "devices: [/dev/sda]",
        "pid: host",
        "volumes_from: [a]",
        "extends: {file: x.yml, service: a}",
        "include: [x.yml]",
        "external: true",
        "external_links: [a]",
        "driver_opts: {device: /x}",
        "volumes: ['/var/run/docker.sock:/s']",
        "volumes: ['/run:/s']",
        "volumes: ['/proc:/p:ro']",
        "use_api_socket: true",
        "provider: {type: x}",
        'image: "a\\x3ab"',
        "volumes: !override []",
        "post_start: [{command: [x]}]",
        "environment: {PGHOST: host.docker.internal}",
        "extra_hosts: ['a:host-gateway']",
        "networks: {default: {name: ledger-prod_default}}",
    ],
)
def test_every_way_out_of_a_project_is_left_to_compose(line: str) -> None:
    assert not plain([SHOP, line], [], OURS)


def test_a_variable_may_stand_for_anything_that_is_set() -> None:
    text = "volumes: {data: {name: $BOOKS}}"
    assert not plain([text], ["ledger-dev_postgres_data"], OURS)
    assert plain([text], ["shop"], OURS)
    assert plain([SHOP], ["ledger-dev_postgres_data"], OURS)
    assert list(sources(["volumes: ['${HOME}/x:/y', '~/x:/y']"], "/srv")) == ["", ""]
    assert list(sources(["{type: bind, source: ../x, target: /y}"], "/srv/shop")) == ["/srv/shop/../x"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("services: {}", "myshop_2"),
        ("name: books\nservices: {}", "books"),
        ('name: "books"  # x\n', "books"),
        ("name: $NAME\n", ""),
        ("services:\n  name: x\n", "myshop_2"),
    ],
)
def test_the_projects_name(text: str, name: str) -> None:
    assert project_name([text], "/srv/My.Shop_2") == name
