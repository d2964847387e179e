"""make protect on volumes that it, or somebody else, has already changed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.guard import engine_output
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.model import COPY_OF, PROTECT
from ledgerflow_ops.guard.model import Engine as Known
from ledgerflow_ops.guard.protection.label_plan import Labelling, Stage
from ledgerflow_ops.guard.protection.volume_labels import VolumeMover
from ledgerflow_ops_tests.fakes.engine import Engine

NAME, COPY = "books", "books.being-labelled"
Make = Callable[..., Path]


@pytest.fixture
def make(engine: Engine) -> Iterator[Make]:
    """A volume with files of these contents, and where they lie."""

    def made(name: str, *labels: str, **files: str) -> Path:
        engine.docker("volume", "create", *(f"--label={label}" for label in labels), name)
        place = engine.folder / "data/volumes" / name / "_data"
        for file, text in files.items():
            (place / file).write_text(text)
        return place

    yield made
    engine.clear()


def _move(engine: Engine, stage: Stage, patch: pytest.MonkeyPatch, **labels: str) -> None:
    for name, value in engine.environment().items():
        patch.setenv(name, value)
    known = engine_output.volume({"Name": COPY, "Labels": labels})
    labelling = Labelling(NAME, stage, "", labels=((PROTECT, "true"),))
    VolumeMover(engine.client, Scene(Known((known,))), lambda _: None).carry_out(labelling)


def test_a_volume_that_was_used_since_is_not_given_up(
    engine: Engine, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run died before it removed the copy, and then a server wrote to the volume."""
    place = make(NAME, f"{PROTECT}=true", PG_VERSION="17", control="rows of today")
    make(COPY, f"{COPY_OF}={NAME}", PG_VERSION="17", control="rows of 8 a.m")
    with pytest.raises(Refused, match="something has written to books since"):
        _move(engine, Stage.FILLING, monkeypatch, **{COPY_OF: NAME})
    assert (place / "control").read_text() == "rows of today"
    assert COPY in engine.names("volume")


def test_a_volume_that_was_half_filled_is_filled_again(
    engine: Engine, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make(NAME, f"{PROTECT}=true", PG_VERSION="17", control="rows of")
    make(COPY, f"{COPY_OF}={NAME}", PG_VERSION="17", control="rows of 8 a.m", later="more")
    _move(engine, Stage.FILLING, monkeypatch, **{COPY_OF: NAME})
    assert {file.name: file.read_text() for file in place.iterdir()} == {
        "PG_VERSION": "17", "control": "rows of 8 a.m", "later": "more"
    }  # fmt: skip
    assert COPY not in engine.names("volume")


def test_a_volume_that_only_has_the_name_of_a_copy_is_left_alone(
    engine: Engine, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(NAME, PG_VERSION="17")
    place = make(COPY, kept="somebody's own")
    with pytest.raises(Refused, match="it is not a copy of ours"):
        _move(engine, Stage.NEW, monkeypatch)
    assert (place / "kept").read_text() == "somebody's own"
