"""A database and its files are restored and rolled back together, and a crash never leaves a mixed pair."""

import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.core.operation_requests import RestoreRequest, RollbackRequest
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations import identity
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.cleanup import restore_leftovers
from ledgerflow_ops.operations.restore import restore, rollback
from ledgerflow_ops_tests.fakes import sandboxes, targets
from ledgerflow_ops_tests.fakes.sandboxes import ActionAtStep
from ledgerflow_ops_tests.fakes.servers import Server
from ledgerflow_ops_tests.fakes.targets import ReadyTarget, RestoreTarget


@pytest.fixture(scope="module")
def ready(session_root: Path, server: Server) -> Iterator[ReadyTarget]:
    """Books with two folders of files; since the backup, both the database and the files went on."""
    root = session_root / f"field_{secrets.token_hex(4)}"
    files = [root / name for name in ("uploads", "settings")]
    for folder in files:
        folder.mkdir(parents=True)
        (folder / "one file.txt").write_text("backed up")
    database = server.small_books(targets.new_name())
    with targets.ready_target(root, database, server, files=files) as ready:
        for folder in files:
            (ready.folder / folder.name / "one file.txt").write_text("changed since")
        yield ready


def texts(field: RestoreTarget) -> set[str]:
    return {(field.sandbox.root / name / "one file.txt").read_text() for name in ("uploads", "settings")}


def state(field: RestoreTarget) -> str:
    """`old`, `new`, or `MIXED`."""
    found = field.is_old(), texts(field)
    return {
        (True, frozenset({"changed since"})): "old",
        (False, frozenset({"backed up"})): "new",
    }.get((found[0], frozenset(found[1])), "MIXED")


def beside(field: RestoreTarget) -> list[str]:
    return sorted(path.name for path in field.sandbox.root.iterdir() if "__" in path.name)


def listed(field: RestoreTarget) -> list[str]:
    return [str(field.sandbox.root / name) for name in ("uploads", "settings")]


def test_both_come_back_and_go_back_together(field: RestoreTarget) -> None:
    assert state(field) == "old"
    restored = field.restore()
    assert restored.bad is None
    assert state(field) == "new"
    assert [name.split("__before_")[0] for name in beside(field)] == ["settings", "uploads"]
    rollback.rollback(field.env(), RollbackRequest(environment="dev"))
    assert state(field) == "old"
    with pytest.raises(Refused, match=r"The files of .* were taken back") as refusal:
        rollback.rollback(field.env(), RollbackRequest(environment="dev"))
    assert "make restore-force FILE=first.dump" in refusal.value.hint
    assert state(field) == "old"
    for one in restore_leftovers.previous_databases(field.env()):
        restore_leftovers.discard(field.env(), one.name)
    assert beside(field) == []


def test_the_plan_says_so(field: RestoreTarget) -> None:
    plan = restore.prepare_restore(
        field.env(), RestoreRequest(environment=Environment.DEV, file="first.dump", force=True)
    ).plan
    assert any("unpack 2 files" in action.what for action in plan.actions)


@pytest.mark.parametrize(
    ("where", "done"),
    [
        (Step.LAY_OUT, False),
        (Step.HOLD, False),
        (Step.SWAP, False),
        (Step.SET_ASIDE, True),
        (Step.PUT_IN_PLACE, True),
        (f"{Step.SET_ASIDE}#2", True),
        (f"{Step.PUT_IN_PLACE}#2", True),
        (Step.AFTERWARDS, True),
    ],
)
def test_a_restore_killed_among_them_is_settled_by_the_next_command(
    field: RestoreTarget, where: str, done: bool
) -> None:
    field.kill("restore", where, *listed(field))
    swept = restore_leftovers.sweep(field.env())
    assert state(field) == ("new" if done else "old")
    assert bool(swept) is not done
    assert not [name for name in beside(field) if "__restoring_" in name]
    assert restore_leftovers.sweep(field.env()) == []
    assert field.restore().bad is None
    assert state(field) == "new"


def test_a_backup_settles_them_first(field: RestoreTarget) -> None:
    field.kill("restore", Step.PUT_IN_PLACE, *listed(field))
    manifest = backup.backup(field.env())
    assert state(field) == "new"
    assert manifest.files is not None
    assert {entry.sha256 for entry in manifest.files.files} == {hashlib.sha256(b"backed up").hexdigest()}


@pytest.mark.parametrize(
    ("where", "done"),
    [(Step.SWAP, False), (Step.SET_ASIDE, True), (f"{Step.SET_ASIDE}#2", True), (Step.JOURNAL, True)],
)
def test_a_rollback_killed_among_them_too(field: RestoreTarget, where: str, done: bool) -> None:
    field.restore()
    field.kill("rollback", where, *listed(field))
    restore_leftovers.sweep(field.env())
    assert state(field) == ("old" if done else "new")
    assert field.restore().bad is None
    assert state(field) == "new"


def test_files_that_cannot_be_put_in_place_take_the_database_back_with_them(field: RestoreTarget) -> None:
    def obstruct() -> None:
        (laid,) = field.sandbox.root.glob("settings__restoring_*")
        laid.rename(laid.with_name("gone"))

    reporter = ActionAtStep(at=Step.SWAP, action=obstruct)
    with pytest.raises(LedgerError):
        restore.restore(
            field.env(reporter), RestoreRequest(environment=Environment.DEV, file="first.dump", force=True)
        )
    assert reporter.fired
    assert state(field) == "old"
    assert field.names() == [field.name]


@pytest.mark.parametrize("step", [Step.SET_ASIDE, Step.PUT_IN_PLACE])
def test_a_restore_interrupted_among_the_renames_takes_both_back(field: RestoreTarget, step: Step) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore.restore(
            field.env(ActionAtStep(at=step, action=interrupt)),
            RestoreRequest(environment=Environment.DEV, file="first.dump", force=True),
        )
    assert state(field) == "old"
    assert field.names() == [field.name]
    assert beside(field) == []
    assert field.restore().bad is None
    assert state(field) == "new"


def test_roots_that_are_not_listed_here_are_refused(field: RestoreTarget) -> None:
    with pytest.raises(Refused, match=r"belong to .*settings.*which dev does not list"):
        field.restore(files=(field.sandbox.root / "uploads",))
    assert state(field) == "old"


def test_another_environments_files_are_never_put_in_place(field: RestoreTarget) -> None:
    env = sandboxes.new_env(Environment.TEST, field.sandbox.root, field.server.books("tests_own"))
    identity.check_identity(env, accept=True)
    restored = restore.restore(
        env,
        RestoreRequest(environment=Environment.TEST, file="first.dump", from_env=Environment.DEV, force=True),
    )
    assert restored.bad is None
    assert ["files of dev are not restored" in note.message for note in restored.plan.warnings] == [True]
    assert texts(field) == {"changed since"}
