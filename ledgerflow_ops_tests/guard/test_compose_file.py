"""A compose file that was edited: what `up` would then do to the data, seen beforehand."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerflow_ops.guard.inside.effects import Effect
from ledgerflow_ops_tests.fakes.yard import DATA, Yard
from ledgerflow_ops_tests.guard.conftest import Judged, run

UP = "-f docker-compose.dev.yml up -d"
_VOLUMES = "volumes:\n  ledger_postgres:"
_HELD = f'volumes: ["ledger_postgres:{DATA}"]'

LOSING = {
    "the volume has another name": (("ledger_postgres", "ledger_postgres_17"), UP),
    "the volume is given another name of its own": ((_VOLUMES, f"{_VOLUMES}\n    name: other"), UP),
    "it is mounted elsewhere": ((f"postgres:{DATA}", "postgres:/var/lib/pg"), UP),
    "a folder of the host is in its place": (("ledger_postgres:/var", "./data:/var"), UP),
    "memory is in its place": ((_HELD, f'tmpfs: ["{DATA}"]'), UP),
    "nothing is in its place": ((_HELD, ""), UP),
    "the project has another name": (("name: ledger-dev\n", "name: ledger\n"), UP),
    "a label was added, and yes is said": ((_VOLUMES, f"{_VOLUMES}\n    labels: {{a: b}}"), f"{UP} -y"),
    "a label was added": ((_VOLUMES, f"{_VOLUMES}\n    labels: {{a: b}}"), UP),
    "the driver's options were changed": ((_VOLUMES, f"{_VOLUMES}\n    driver_opts: {{type: tmpfs}}"), UP),
    "two copies": (("    init: true\n", "    init: true\n    scale: 2\n"), UP),
    "two replicas": (("    init: true\n", "    init: true\n    deploy: {replicas: 2}\n"), UP),
    "two copies by word": (("", ""), f"{UP} --scale postgres=2"),
    "two copies by scale": (("", ""), "-f docker-compose.dev.yml scale postgres=2"),
    "another program": (('["sleep", "infinity"]', f'["rm", "-rf", "{DATA}/base"]'), UP),
    "another entrypoint": (("    init: true\n", '    init: true\n    entrypoint: ["rm", "-rf"]\n'), UP),
    "another service gets the data": (("ledger_redis:/data", "ledger_postgres:/data"), UP),
    "a service gets labelled data": (("ledger_redis:/data", "outside:/data"), UP),
    "a service gets the backups": (('"ledger_redis:/data"', '"./backups:/data"'), UP),
    "a service may do anything": (("    init: true\n", "    init: true\n    privileged: true\n"), UP),
    "a hook wipes the data": (
        (
            "    init: true\n",
            f'    init: true\n    post_start: [{{command: ["rm", "-rf", "{DATA}/base"]}}]\n',
        ),
        UP,
    ),
    "made, not started": (("ledger_postgres", "ledger_postgres_17"), "-f docker-compose.dev.yml create"),
    "one service of it": (("ledger_postgres", "ledger_postgres_17"), f"{UP} postgres"),
}


@pytest.fixture
def edited(yard: Yard, request: pytest.FixtureRequest) -> Iterator[Path]:
    """The compose file with one edit; the yard's own is back afterwards."""
    yard.build()
    before, after = request.param
    whole = yard.file.read_text()
    assert before in whole
    text = whole.replace(before, after) if "postgres_17" in after else whole.replace(before, after, 1)
    if "outside" in after:
        text += "  outside: {external: true, name: loose}\n"
    yard.file.write_text(text)
    yield yard.file
    yard.build()


@pytest.mark.parametrize(("edited", "words"), LOSING.values(), ids=LOSING, indirect=["edited"])
def test_what_an_edit_would_lose_is_seen(edited: Path, words: str, judged: Judged) -> None:
    assert edited.exists()
    judgement = judged(["compose", *words.split()])
    assert judgement.effect == Effect.DESTROYS


def test_yes_to_a_changed_label_really_loses_the_volume(yard: Yard) -> None:
    yard.build()
    before = yard.content()
    yard.file.write_text(yard.file.read_text().replace(_VOLUMES, f"{_VOLUMES}\n    labels: {{a: b}}"))
    run(yard, ["compose", *UP.split(), "-y"])
    assert yard.content() != before
    run(yard, ["compose", "-p", "ledger-dev", "down", "-v"])
    yard.build()


HARMLESS = {
    "nothing was changed": (("", ""), UP),
    "another service was changed": (("ledger_redis:/data", "ledger_redis:/srv"), UP),
    "a service was added": (
        ("volumes:\n  l", "  more:\n    image: ledgerflow-system:tests\nvolumes:\n  l"),
        UP,
    ),
    "it is made anew": (("", ""), f"{UP} --force-recreate"),
    "orphans go": (("", ""), f"{UP} --remove-orphans"),
    "one copy": (("", ""), f"{UP} --scale postgres=1"),
    "a service reads the data": (("ledger_redis:/data", "ledger_postgres:/data:ro"), UP),
}


@pytest.mark.parametrize(("edited", "words"), HARMLESS.values(), ids=HARMLESS, indirect=["edited"])
def test_other_edits_are_let_through(edited: Path, words: str, yard: Yard, judged: Judged) -> None:
    assert edited.exists()
    judgement = judged(["compose", *words.split()])
    assert (judgement.effect, judgement.unknown) == (Effect.READS, "")
    before = yard.content()
    run(yard, ["compose", *words.split()])
    assert yard.content() == before


def test_another_image_below_the_data_changes_it(yard: Yard, judged: Judged) -> None:
    yard.build()
    yard.engine.docker("tag", "ledgerflow-system:tests", "postgres:18")
    whole = yard.file.read_text()
    yard.file.write_text(
        whole.replace("ledgerflow-system:tests", "postgres:18", 1).replace(
            '["sleep", "infinity"]', '["postgres"]', 1
        )
    )
    judgement = judged(["compose", *UP.split()])
    yard.build()
    assert any("runs postgres:18 on the data of" in touch.what for touch in judgement.touches)
    assert judgement.effect == Effect.CHANGES


@pytest.mark.parametrize("text", ["services: [", "services:\n  a: {image: ''}\nvolumes: 7\n"])
def test_a_file_that_cannot_be_read_is_not_let_through(text: str, yard: Yard, judged: Judged) -> None:
    yard.build()
    yard.file.write_text(text)
    judgement = judged(["compose", *UP.split()])
    yard.build()
    assert judgement.unknown


def test_a_file_through_standard_input_is_not_let_through(yard: Yard, judged: Judged) -> None:
    assert (
        judged(["compose", "-f", "-", "up", "-d"]).unknown == "the compose file comes through standard input"
    )
    assert yard.file.exists()
