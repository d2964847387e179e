"""Drilling: only what was restored and found equal is proven. A failing drill itself proves nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.proof import Verdict
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.checks import Severity
from ledgerflow_ops.core.errors import CannotJudge, SettingsError
from ledgerflow_ops.core.progress import DRILL_STEPS, Step
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.verification import drill, verify
from ledgerflow_ops_tests.builders import Recorder, backup_folder_of
from ledgerflow_ops_tests.fakes import sandboxes
from ledgerflow_ops_tests.fakes.sandboxes import ActionAtStep, Sandbox

_SLOW = """
    CREATE FUNCTION public.slow(int) RETURNS int IMMUTABLE LANGUAGE sql
        AS 'SELECT CASE WHEN pg_catalog.pg_sleep(2.5) IS NULL THEN $1 ELSE $1 END';
    CREATE TABLE public.slowly (id int);
    INSERT INTO public.slowly VALUES (1);
    CREATE INDEX ON public.slowly (public.slow(id));
"""
"""An index that takes two seconds and a half to build."""


class _Sizes(Recorder):
    """Records what is reported of the load: bytes, and how many are expected."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded = list[tuple[int, int | None]]()

    def moved(self, done: int, expected: int | None) -> None:
        super().moved(done, expected)
        if self.steps[-1] == Step.RESTORE:
            self.loaded.append((done, expected))


def test_a_load_reports_the_bytes_of_the_database_of_those_of_the_source(
    root: Path, database: Database
) -> None:
    with database.connect() as connection:
        connection.execute(_SLOW)
    sandbox = Sandbox(root, database)
    manifest = sandboxes.take_backup(sandbox.env())
    reporter = _Sizes()
    assert drill.drill(sandbox.env(reporter), BackupName.of(manifest.dump.file)).proven
    assert reporter.loaded
    assert {expected for _, expected in reporter.loaded} == {manifest.source.size}
    assert 0.5 < reporter.loaded[-1][0] / (manifest.source.size or 1) < 1.5


def _rule(name: str, sql: str, expect: str) -> dict[str, str]:
    return {"name": name, "sql": sql, "expect": expect}


def _rewrite(sandbox: Sandbox, name: BackupName, **changes: Any) -> Manifest:
    """A manifest as it would be had the backup been made under other circumstances."""
    folder = backup_folder_of(sandbox.env())
    manifest = Manifest.decode(folder.read(name.manifest), name.manifest).model_copy(update=changes)
    folder.replace(name.manifest, manifest.encode())
    return manifest


def test_a_drill_goes_through_its_steps_keeps_its_times_and_leaves_nothing(sandbox: Sandbox) -> None:
    sandbox, keys = sandbox.with_files(), list[str]()
    name = BackupName.of(sandboxes.take_backup(sandbox.env()).dump.file)
    reporter = ActionAtStep(at=Step.RESTORE, action=lambda: keys.extend(sandbox.drill_keys()))
    examination = drill.drill(sandbox.env(reporter), name)
    assert (examination.rung, examination.proven) == (Rung.VALID, True)
    assert tuple(reporter.steps) == DRILL_STEPS
    (entry,) = sandbox.entries()
    proof = entry.proof
    assert (entry.state, entry.proven) == ("valid", True)
    assert proof is not None
    assert (proof.verdict, proof.rung, proof.who, proof.run_id) == (
        Verdict.GOOD,
        Rung.VALID,
        "tests",
        "test-run",
    )
    assert proof.rto_seconds is not None
    assert 0 < proof.rto_seconds <= proof.durations["restore"] + proof.durations["files"] + 0.001
    assert proof.server_version == examination.server_version
    assert {"restorable", "data_rules", "integrity"} <= {check["name"] for check in proof.checks}
    assert len(keys) == 1
    assert sandbox.traces(keys) == []


def test_the_newest_backup_is_the_one_that_is_drilled_when_none_is_named(
    sandbox: Sandbox, name: BackupName
) -> None:
    newer = sandboxes.take_backup(sandbox.env())
    assert catalog.find(sandbox.env(), None).dump == newer.dump.file
    assert catalog.find(sandbox.env(), name.dump) == name


def test_there_has_to_be_a_backup_to_drill(sandbox: Sandbox) -> None:
    with pytest.raises(SettingsError, match="There is no backup of dev in") as mistake:
        catalog.find(sandbox.env(), None)
    assert "LEDGER_ENV=dev make backup" in mistake.value.hint


def test_a_dump_made_by_hand_is_restored_and_asked_but_never_proven(
    sandbox: Sandbox, name: BackupName
) -> None:
    folder = backup_folder_of(sandbox.env())
    folder.remove(name.manifest)
    folder.remove(name.globals)
    examination = drill.drill(sandbox.env(), name)
    assert (examination.rung, examination.bad, examination.proven) == (Rung.RESTORED, None, False)
    told = [check for check in examination.checks if not check.passed]
    assert [(check.name, check.severity) for check in told] == [("sealed", Severity.WARN)]
    assert "no hash and no seal" in told[0].message
    assert any(check.name == "data_rules" and check.passed for check in examination.checks)
    assert examination.rto_seconds
    assert sandbox.states() == {name.stem: "no manifest"}
    assert list(sandbox.files()) == [name.dump]


def test_a_dump_made_by_hand_whose_data_breaks_a_rule_is_bad(sandbox: Sandbox, name: BackupName) -> None:
    backup_folder_of(sandbox.env()).remove(name.manifest)
    env = sandbox.env(rules=[_rule("nobody_is_left", "SELECT count(*) FROM auth_user", "0")])
    bad = drill.drill(env, name).bad
    assert bad is not None
    assert "nobody_is_left: expected 0, found" in bad.message


def test_a_missing_extension_is_the_machines_trouble_and_not_the_backups(
    root: Path, database: Database
) -> None:
    # As from a server with an extension that is nowhere installed here.
    sandbox = Sandbox(root, database)
    proven = sandboxes.prove_backup(sandbox.env(), sandboxes.take_backup(sandbox.env()))
    with database.connect() as connection:
        connection.execute("UPDATE pg_extension SET extname = 'bank_feeds' WHERE extname = 'pg_trgm'")
    name = BackupName.of(sandboxes.take_backup(sandbox.env()).dump.file)
    files = sandbox.files()
    with pytest.raises(CannotJudge, match='extension "bank_feeds" is not available') as unjudged:
        drill.drill(sandbox.env(), name)
    assert unjudged.value.exit_code == 5
    assert "says nothing about the backup" in unjudged.value.hint
    assert sandbox.files() == files
    assert sandbox.states() == {proven.stem: "valid", name.stem: "written"}
    assert sandbox.traces([]) == []


def test_a_broken_data_rule_makes_the_backup_bad_by_its_name_until_a_drill_finds_it_fixed(
    sandbox: Sandbox, name: BackupName
) -> None:
    rules = [
        _rule("books_are_open", "SELECT count(*) > 0 FROM auth_user", "t"),
        _rule("nobody_is_left", "SELECT count(*) FROM auth_user", "0"),
    ]
    examination = drill.drill(sandbox.env(rules=rules), name)
    bad = examination.bad
    assert bad is not None
    assert (bad.name, examination.rung, examination.proven) == ("data_rules", Rung.EQUAL, False)
    assert bad.message.startswith("1 of 2 data rules do not hold:\n  nobody_is_left: expected 0, found ")
    assert "books_are_open" not in bad.message
    assert sandbox.states() == {name.stem: "bad"}

    # To read it again says nothing of its rows: what the drill found stands.
    assert verify.verify(sandbox.env(), name).bad is None
    assert sandbox.states() == {name.stem: "bad"}
    drill.drill(sandbox.env(rules=rules[:1]), name)
    assert sandbox.states() == {name.stem: "valid"}


def test_a_dump_that_cannot_be_loaded_is_bad_however_well_it_reads(root: Path, database: Database) -> None:
    # Rows that were let in once, and that the database's own rules would not let in again.
    with database.connect() as connection:
        connection.execute("CREATE FUNCTION public.open() RETURNS bool LANGUAGE sql AS 'SELECT true'")
        connection.execute("CREATE TABLE public.doors (id int CHECK (public.open()))")
        connection.execute("INSERT INTO public.doors VALUES (1)")
        connection.execute(
            "CREATE OR REPLACE FUNCTION public.open() RETURNS bool LANGUAGE sql AS 'SELECT false'"
        )
    sandbox = Sandbox(root, database)
    name = BackupName.of(sandboxes.take_backup(sandbox.env()).dump.file)
    assert verify.verify(sandbox.env(), name).rung is Rung.READABLE
    bad = drill.drill(sandbox.env(), name).bad
    assert bad is not None
    assert bad.name == "restorable"
    assert "rows of public.doors violate its check constraint doors_check" in bad.message
    assert sandbox.states() == {name.stem: "unrestorable"}
    assert verify.verify(sandbox.env(), name).bad is None
    assert sandbox.states() == {name.stem: "unrestorable"}, "what reads well is no less unrestorable for it"


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT count(* FROM auth_user", "syntax error"),
        ("SELECT count(*) FROM no_such_table", "no_such_table"),
        ("SELECT 1 / 0", "division by zero"),
        ("DELETE FROM auth_user", "read-only transaction"),
        ("SET search_path = public", "does not return one value"),
        ("SELECT 1, 2", "does not return one value"),
    ],
)
def test_a_rule_that_cannot_be_asked_is_the_drills_trouble_and_an_earlier_proof_stays(
    proven: tuple[Sandbox, BackupName], sql: str, words: str
) -> None:
    sandbox, name = proven
    files = sandbox.files()
    with pytest.raises(CannotJudge, match="The data rule 'mistaken'") as unjudged:
        drill.drill(sandbox.env(rules=[_rule("mistaken", sql, "0")]), name)
    assert words in unjudged.value.message
    assert (unjudged.value.exit_code, "ledgerflow.toml" in unjudged.value.hint) == (5, True)
    assert sandbox.files() == files
    assert sandbox.states() == {name.stem: "valid"}
    assert sandbox.traces([]) == []


@pytest.fixture(scope="module")
def proven(session_root: Path, books: Database) -> Iterator[tuple[Sandbox, BackupName]]:
    with sandboxes.temporary_folder(session_root) as root:
        sandbox = Sandbox(root, books)
        yield sandbox, sandboxes.prove_backup(sandbox.env(), sandboxes.take_backup(sandbox.env()))


def test_a_rules_answer_is_what_postgresql_prints(sandbox: Sandbox, name: BackupName) -> None:
    answers = {
        "SELECT true": "t",
        "SELECT NULL": "NULL",
        "SELECT 0::numeric(20, 10)": "0.0000000000",
        "SELECT 1e-7::float8": "1e-07",
        "SELECT '2025-04-22 10:00+00'::timestamptz": "2025-04-22 10:00:00+00",
        "SELECT '{1,2}'::int[]": "{1,2}",
        "SELECT 'Bücher'": "Bücher",
        "SELECT 1 WHERE false": "no row",
        "SELECT count(*) FROM profiles_payee WHERE false": "0",
    }
    rules = [_rule(f"rule {n}", sql, expect) for n, (sql, expect) in enumerate(answers.items())]
    examination = drill.drill(sandbox.env(rules=rules), name)
    assert [check.message for check in examination.checks if not check.passed] == []
    assert examination.rung is Rung.VALID


def test_a_locale_that_is_not_on_this_machine_is_stood_in_for_with_a_note(
    sandbox: Sandbox, name: BackupName
) -> None:
    manifest = Manifest.decode(backup_folder_of(sandbox.env()).read(name.manifest), name.manifest)
    source = manifest.source.model_copy(update={"collate": "xx_XX.UTF-8", "ctype": "xx_XX.UTF-8"})
    _rewrite(sandbox, name, source=source)
    examination = drill.drill(sandbox.env(), name)
    assert examination.rung is Rung.VALID
    told = " ".join(check.message for check in examination.checks if check.name == "restorable")
    assert "The locale xx_XX.UTF-8 is not on this machine; C was used." in told


def test_a_backup_of_a_newer_server_than_any_here_cannot_be_judged(
    sandbox: Sandbox, name: BackupName
) -> None:
    manifest = Manifest.decode(backup_folder_of(sandbox.env()).read(name.manifest), name.manifest)
    source = manifest.source.model_copy(update={"server_version_num": 990001})
    _rewrite(sandbox, name, source=source)
    recorder = Recorder()
    with pytest.raises(CannotJudge, match="No PostgreSQL server of version 99 or later") as unjudged:
        drill.drill(sandbox.env(recorder), name)
    assert "tools_dir" in unjudged.value.hint
    assert Step.CLUSTER not in recorder.steps
    assert sandbox.states() == {name.stem: "written"}


def test_a_backup_found_bad_by_reading_is_not_restored_at_all(sandbox: Sandbox, name: BackupName) -> None:
    folder, recorder = backup_folder_of(sandbox.env()), Recorder()
    folder.file(name.dump).write_bytes(folder.read(name.dump)[:-1])
    examination = drill.drill(sandbox.env(recorder), name)
    assert examination.bad is not None
    assert (examination.bad.name, examination.rto_seconds) == ("integrity", None)
    assert recorder.steps == [Step.VERIFY, Step.PROOF]
    assert sandbox.states() == {name.stem: "bad"}
    proof = Recorder()
    drill.drill(sandbox.env(proof), name)
    assert sandbox.states() == {name.stem: "bad"}
