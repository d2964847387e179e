"""Which volumes can be labelled, from whatever a killed run has left."""

from dataclasses import replace

import pytest

from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.model import (
    COPY_OF,
    PROTECT,
    ConfiguredProtection,
    Container,
    Engine,
    Mount,
    Process,
    Volume,
)
from ledgerflow_ops.guard.protection.label_plan import Stage, copy_name, plan_labels

DATA = "/var/lib/postgresql/data"
_OURS = {"com.docker.compose.project": "ledger-dev", "com.docker.compose.service": "postgres"}
DB = Container("d" * 64, "db", Process("postgres:17", mounts=(Mount("volume", "books", DATA),)), False, _OURS)
BOOKS = Volume("books", {"com.docker.compose.project": "ledger-dev"})
LABELLED = replace(BOOKS, labels={**BOOKS.labels, PROTECT: "true"})
COPY = Volume(copy_name("books"), {**LABELLED.labels, COPY_OF: "books"})


def _scene(*volumes: Volume, container: Container | None = DB) -> Scene:
    return Scene(
        Engine(volumes, (container,) if container else ()),
        guarded=ConfiguredProtection(remembered={"books": "dev"}),
    )


@pytest.mark.parametrize(
    ("volumes", "stage"),
    [
        ([BOOKS], Stage.NEW),
        ([BOOKS, COPY], Stage.NEW),
        ([COPY], Stage.COPIED),
        ([LABELLED, COPY], Stage.FILLING),
        ([LABELLED], Stage.LABELLED),
    ],
)
def test_the_labels_say_how_far_it_has_come(volumes: list[Volume], stage: Stage) -> None:
    (found,) = plan_labels(_scene(*volumes), "dev")
    assert (found.volume, found.stage) == ("books", stage)
    if found.doable:
        assert dict(found.labels) == LABELLED.labels
        assert found.holders == (("db",) if stage is not Stage.COPIED else ())


@pytest.mark.parametrize(
    ("volume", "container", "reason"),
    [
        (BOOKS, replace(DB, running=True), "db uses it now"),
        (
            BOOKS,
            replace(DB, labels={"com.ledgerflow.environment": "dev"}),
            "db mounts it, which Compose did not",
        ),
        (replace(BOOKS, driver="nfs"), None, "it has a driver or options of its own (nfs, options: 0)"),
        (
            replace(BOOKS, options={"device": "/x"}),
            None,
            "it has a driver or options of its own (local, options: 1)",
        ),
    ],
)
def test_what_cannot_be_labelled_says_why(volume: Volume, container: Container | None, reason: str) -> None:
    (found,) = plan_labels(_scene(volume, container=container), "dev")
    assert found.stage is Stage.IMPOSSIBLE
    assert found.reason.startswith(reason)
    assert found.hint


def test_a_nameless_volume_and_a_folder_cannot_have_a_label() -> None:
    nameless = "f" * 64
    holder = replace(DB, process=Process("postgres:17", mounts=(Mount("volume", nameless, DATA),)))
    (found,) = plan_labels(_scene(Volume(nameless, BOOKS.labels), container=holder), "dev")
    assert found.reason == "it has no name"
    bound = replace(DB, process=Process("postgres:17", mounts=(Mount("bind", "/srv/pg", DATA),)))
    (found,) = plan_labels(_scene(container=bound), "dev")
    assert (found.volume, found.reason) == ("/srv/pg", "it is a folder of the host")


def test_other_environments_are_left_alone() -> None:
    assert plan_labels(_scene(BOOKS, COPY), "prod") == []
