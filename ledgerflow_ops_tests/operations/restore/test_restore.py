"""A restore: into a database beside the live one, compared, then swapped; or refused with nothing changed."""

import re
import threading
import time
from typing import Any

import psycopg
import pytest
from psycopg import sql

from ledgerflow_ops.adapters.inspection import database_properties
from ledgerflow_ops.adapters.system import journal_file
from ledgerflow_ops.core.catalog.manifest import Setting
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.comparison.seal_comparison import facts_equal
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import BadBackup, LedgerError, Refused
from ledgerflow_ops.core.operation_requests import BackupRequest, RestoreRequest, RollbackRequest
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.cleanup import restore_leftovers
from ledgerflow_ops.operations.restore import restore, rollback
from ledgerflow_ops.operations.restore.target_inspection import inspect_target
from ledgerflow_ops.operations.retention import pins
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import Recorder
from ledgerflow_ops_tests.fakes import sandboxes
from ledgerflow_ops_tests.fakes.sandboxes import ActionAtStep
from ledgerflow_ops_tests.fakes.targets import RestoreTarget


def empty(field: RestoreTarget) -> None:
    field.drop()
    with field.server.database.connect() as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(field.name))
        )


def equal(field: RestoreTarget) -> bool:
    """Whether the live database equals first.dump's seal."""
    manifest = catalog.read_manifest(field.env(), BackupName.of("first.dump"))
    assert manifest is not None
    return facts_equal(manifest.seal, field.seal(), same_major=True) == []


def test_a_database_that_is_gone_comes_back_equal_to_its_seal(field: RestoreTarget) -> None:
    field.drop()
    recorder = Recorder()
    restored = restore.restore(
        field.env(recorder), RestoreRequest(environment=Environment.DEV, file="first.dump")
    )
    assert restored.bad is None
    assert (restored.before, restored.safety) == (None, None)
    assert equal(field)
    assert field.names() == [field.name]
    assert Step.SAFETY not in recorder.steps
    assert field.ask("SELECT count(*) > 0 FROM pg_statistic"), "it was analysed"


def test_an_empty_database_is_replaced_and_kept(field: RestoreTarget) -> None:
    empty(field)
    restored = field.restore(force=False)
    assert restored.bad is None
    assert equal(field)
    assert restored.safety is None
    assert restored.before is not None
    assert field.names() == [field.name, restored.before]


def test_one_that_holds_data_is_refused_and_as_it_was(field: RestoreTarget) -> None:
    before, files = field.seal(), field.sandbox.files()
    with pytest.raises(Refused, match=r"holds \d+ relations \(\d+") as refusal:
        field.restore(force=False)
    assert refusal.value.exit_code == 3
    assert "restore-force" in refusal.value.hint
    assert field.seal() == before
    assert field.names() == [field.name]
    assert field.sandbox.files().keys() == files.keys()


def test_force_takes_a_proven_pinned_safety_backup_and_keeps_the_old_database(field: RestoreTarget) -> None:
    before = field.seal()
    restored = field.restore()
    assert restored.bad is None
    assert equal(field)
    assert not field.is_old()
    assert restored.safety is not None
    entry = catalog.entry(field.env(), BackupName.of(restored.safety))
    assert entry.state == "valid"
    assert "safety backup before the restore" in pins.pin_reason(field.env(), entry.name)
    assert "being restored" in pins.pin_reason(field.env(), BackupName.of("first.dump"))
    assert entry.manifest is not None
    assert entry.manifest.seal.tables == before.tables
    assert restored.before is not None
    with pytest.raises(LedgerError, match="not currently accepting connections"):
        field.seal(restored.before)
    assert [one.name for one in restore_leftovers.previous_databases(field.env())] == [restored.before]


def test_rollback_swaps_back_and_again(field: RestoreTarget) -> None:
    old = field.seal()
    restored = field.restore()
    new = field.seal()
    done = rollback.rollback(field.env(), RollbackRequest(environment="dev"))
    assert done.back.name == restored.before
    assert field.seal() == old
    assert field.is_old()
    rollback.rollback(field.env(), RollbackRequest(environment="dev"))
    assert field.seal() == new
    assert len(field.names()) == 2


def test_a_rollback_without_anything_to_go_back_to_is_refused(field: RestoreTarget) -> None:
    with pytest.raises(Refused, match="no earlier database of dev"):
        rollback.rollback(field.env(), RollbackRequest(environment="dev"))
    assert field.is_old()


def test_what_was_kept_is_dropped_only_by_its_whole_name(field: RestoreTarget) -> None:
    restored = field.restore()
    assert restored.before is not None
    for name in ("", field.name, "postgres", restored.before[:-1], restored.before.upper()):
        with pytest.raises(Refused, match="is not an earlier database of dev"):
            restore_leftovers.discard(field.env(), name)
    assert len(field.names()) == 2
    assert restore_leftovers.discard(field.env(), restored.before) == restored.before
    assert field.names() == [field.name]


def test_what_a_dump_does_not_hold_is_carried_over(field: RestoreTarget) -> None:
    name = sql.Identifier(field.name)
    with field.server.database.connect() as connection:
        for statement in (
            "CREATE ROLE keeper LOGIN",
            'CREATE ROLE "o\'Büro" LOGIN',
            "ALTER DATABASE {} OWNER TO keeper",
            'GRANT CONNECT, TEMPORARY ON DATABASE {} TO "o\'Büro" WITH GRANT OPTION',
            "REVOKE ALL ON DATABASE {} FROM PUBLIC",
            "ALTER DATABASE {} CONNECTION LIMIT 17",
            "REVOKE TEMPORARY ON DATABASE {} FROM keeper",
            "ALTER DATABASE {} IS_TEMPLATE true",
            'ALTER DATABASE {} SET search_path TO "Büro", public',
            "ALTER DATABASE {} SET temp_tablespaces TO ''",
            "ALTER DATABASE {} SET my.greeting TO 'it''s'",
            "ALTER ROLE keeper IN DATABASE {} SET work_mem TO '7MB'",
            "COMMENT ON DATABASE {} IS 'the books, don''t touch'",
        ):
            connection.execute(sql.SQL(statement).format(name))
        before = database_properties.read_properties(connection, field.name)
    assert (before.connection_limit, before.owner) == (17, "keeper")
    assert [one.name for one in before.settings][-3:] == ["search_path", "temp_tablespaces", "my.greeting"]
    restored = field.restore()
    with field.server.database.connect() as connection:
        assert database_properties.read_properties(connection, field.name) == before
    assert restored.before is not None
    rollback.rollback(field.env(), RollbackRequest(environment="dev"))
    with field.server.database.connect() as connection:
        assert database_properties.read_properties(connection, field.name) == before
    (undone,) = set(field.names()) - {field.name}
    assert restore_leftovers.discard(field.env(), undone) == undone, "a template can be got rid of"
    with field.server.database.connect() as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(name))


def test_settings_that_the_server_cannot_take_any_more_are_left_out_and_reported(
    field: RestoreTarget,
) -> None:
    """As of a locale or a library that was there when they were made: written into the catalog here."""
    with field.server.database.named(field.name).connect() as connection:
        connection.execute("SET allow_system_table_mods = on")
        connection.execute(
            "INSERT INTO pg_db_role_setting SELECT oid, 0, '{lc_messages=xx_XX,app.key=secret,of_a_fork=1}' "
            "FROM pg_database WHERE datname = current_database()"
        )
    recorder = Recorder()
    restored = restore.restore(
        field.env(recorder), RestoreRequest(environment=Environment.DEV, file="first.dump", force=True)
    )
    assert restored.bad is None
    (told,) = [line for line in recorder.said if "left out" in line]
    assert told.startswith("This machine lacks what these need, so they were left out: ALTER DATABASE ")
    assert (told.count('SET "lc_messages"'), told.count('SET "of_a_fork"'), told.count("xx_XX")) == (1, 1, 0)
    with field.server.database.connect() as connection:
        (kept,) = database_properties.read_properties(connection, field.name).settings
    assert (kept.name, kept.value) == ("app.key", "secret")


def test_a_library_that_every_session_would_fail_to_load_is_left_out_and_reported(
    field: RestoreTarget,
) -> None:
    """As on another machine: the setting itself is taken, and nobody could log in any more."""
    server = field.server.database
    with server.connect() as connection:
        wanted = database_properties.read_properties(connection, field.name)
    for value, left_out in (("auto_explain", 0), ('auto_explain, "not on this machine"', 1)):
        settings = [Setting(role=None, name="session_preload_libraries", value=value)]
        settings.append(Setting(role=None, name="app.mark", value=f"mark {left_out}"))
        changed = wanted.model_copy(update={"settings": settings})
        with server.connect() as connection:
            connection.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(sql.Identifier(field.name)))
        told = database_properties.apply_properties(server, field.name, changed, "utf-8")
        assert told.count('SET "session_preload_libraries"') == left_out
        assert "not on" not in told.partition("left out")[2]
        assert field.ask("SELECT current_setting('app.mark')") == f"mark {left_out}", "sessions begin"
        loaded = field.ask("SELECT current_setting('session_preload_libraries')")
        assert loaded == ("" if left_out else "auto_explain")


def test_a_prepared_transaction_refuses_before_anything_is_done(field: RestoreTarget) -> None:
    """No force ends it: a database with one cannot be renamed."""
    files = field.sandbox.files()
    with psycopg.connect(builders.database_url(field.database), autocommit=True) as connection:
        for statement in ("BEGIN", "CREATE TABLE public.both (a int)", "PREPARE TRANSACTION 'it''s one'"):
            connection.execute(statement)
        for refused in (
            field.restore,
            lambda: rollback.plan_rollback(field.env(), inspect_target(field.env()), force=True),
        ):
            with pytest.raises(Refused, match="1 prepared transaction") as refusal:
                refused()
            (command,) = re.findall(r"ROLLBACK PREPARED .*;", str(refusal.value.hint))
        assert field.sandbox.files().keys() == files.keys(), "no safety backup either"
        connection.execute(command)
    assert inspect_target(field.env()).target.prepared == ()


def test_of_a_database_that_is_gone_they_come_from_the_manifest(field: RestoreTarget) -> None:
    with field.server.database.connect() as connection:
        limit = "ALTER DATABASE {} CONNECTION LIMIT 9"
        connection.execute(sql.SQL(limit).format(sql.Identifier(field.name)))
        comment = "COMMENT ON DATABASE {} IS 'books'"
        connection.execute(sql.SQL(comment).format(sql.Identifier(field.name)))
        before = database_properties.read_properties(connection, field.name)
    backup.backup(field.env(), BackupRequest(file="second.dump"))
    field.drop()
    field.restore("second.dump", force=False)
    with field.server.database.connect() as connection:
        assert database_properties.read_properties(connection, field.name) == before


def test_missing_roles_are_made_as_they_were(field: RestoreTarget) -> None:
    with field.server.database.connect() as connection:
        connection.execute("CREATE ROLE grp NOLOGIN; CREATE ROLE clerk LOGIN CONNECTION LIMIT 3 IN ROLE grp")
        connection.execute("ALTER ROLE clerk SET work_mem TO '9MB'")
    field.ask("GRANT SELECT ON public.auth_user TO clerk")
    backup.backup(field.env(), BackupRequest(file="second.dump"))
    field.drop()
    with field.server.database.connect() as connection:
        connection.execute("DROP ROLE clerk; DROP ROLE grp")
    restored = field.restore("second.dump", force=False)
    assert restored.plan.missing_roles == ("clerk", "grp")
    found = (
        "SELECT rolconnlimit::text || rolcanlogin || rolconfig::text FROM pg_roles WHERE rolname = 'clerk'"
    )
    assert field.ask(found) == "3true{work_mem=9MB}"
    assert field.ask("SELECT pg_has_role('clerk', 'grp', 'MEMBER')")
    assert field.ask("SELECT has_table_privilege('clerk', 'public.auth_user', 'SELECT')")
    with field.server.database.connect() as connection:
        connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(field.name)))
        connection.execute("DROP ROLE clerk; DROP ROLE grp")


def _subscriber(field: RestoreTarget) -> psycopg.Connection[Any]:
    """A session that takes the database's changes from its WAL."""
    parameters = {**field.database.parameters, "application_name": "a subscriber", "replication": "database"}
    return psycopg.connect(**parameters, autocommit=True)  # type: ignore[arg-type]


def test_somebody_connected_is_named_and_the_restore_refused(field: RestoreTarget) -> None:
    empty(field)
    parameters = {**field.database.parameters, "application_name": "manage.py runserver"}
    with psycopg.connect(**parameters), _subscriber(field):  # type: ignore[arg-type]
        with pytest.raises(
            Refused,
            match=r"(?s)in use by 2 session.*manage\.py runserver as postgres from .*since.*a subscriber as",
        ):
            field.restore(force=False)
        assert field.names() == [field.name]
    restored = field.restore(force=False)
    assert restored.bad is None


def test_force_ends_sessions_and_an_application_in_a_loop_sees_one_or_the_other(field: RestoreTarget) -> None:
    answers: tuple[list[str], list[str]] = ([], [])
    refused: list[tuple[float, str]] = []
    stop = threading.Event()

    def loop(own: list[str]) -> None:
        while not stop.wait(0.02):
            begun = time.monotonic()
            try:
                own.append("old" if field.is_old() else "new")
            except LedgerError as error:
                refused.append((time.monotonic() - begun, error.message))

    subscriber = _subscriber(field)
    threads = [threading.Thread(target=loop, args=(own,)) for own in answers]
    for thread in threads:
        thread.start()
    try:
        assert sandboxes.wait_until(lambda: all("old" in own for own in answers))
        restored = field.restore()
        assert sandboxes.wait_until(lambda: all("new" in own for own in answers))
        with pytest.raises(psycopg.OperationalError):
            subscriber.execute("IDENTIFY_SYSTEM")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert restored.before is not None
    for own in answers:
        assert own == sorted(own, reverse=True), "a reader that saw the new database never sees the old one"
    assert len(refused) < sum(map(len, answers))
    assert max((seconds for seconds, _ in refused), default=0) < 30
    assert all(re.search("terminat|does not exist|closed|not currently", said) for _, said in refused), (
        refused
    )


def test_a_copy_that_is_not_equal_never_becomes_live(field: RestoreTarget) -> None:
    empty(field)

    def spoil() -> None:
        (name,) = (name for name in field.names() if "__restoring_" in name)
        field.ask("DELETE FROM public.profiles_journalline WHERE id = 1", name)

    reporter = ActionAtStep(at=Step.COMPARE, action=spoil)
    with pytest.raises(BadBackup, match=r"(?s)What was restored is not right.*profiles_journalline") as error:
        restore.restore(field.env(reporter), RestoreRequest(environment=Environment.DEV, file="first.dump"))
    assert reporter.fired
    assert error.value.exit_code == 4
    assert field.seal().tables == {}
    assert field.names() == [field.name]


def test_a_data_rule_that_does_not_hold_keeps_it_from_becoming_live(field: RestoreTarget) -> None:
    rule = {"name": "no_users", "sql": "SELECT count(*) FROM auth_user", "expect": "0"}
    with pytest.raises(BadBackup, match="no_users: expected 0"):
        field.restore(rules=[rule])
    assert field.is_old()
    assert field.names() == [field.name]


def test_data_rules_that_the_live_database_breaks_do_not_keep_it_from_being_saved(
    field: RestoreTarget,
) -> None:
    field.ask("UPDATE public.profiles_journalline SET amount = amount + 1 WHERE id = 1")
    restored = field.restore()
    assert restored.safety is not None
    assert catalog.entry(field.env(), BackupName.of(restored.safety)).state == "bad"
    assert restored.bad is None
    assert equal(field)


@pytest.mark.parametrize(
    ("fields", "check", "words"),
    [
        ({"application_check": "false"}, "application", "exit code 1"),
        ({"application_check": "/nonexistent/manage.py check"}, "application", "could not be started"),
        ({"application_check": "http://127.0.0.1:9/"}, "application", "does not answer"),
    ],
)
def test_an_application_that_is_not_well_is_reported_with_the_way_back(
    field: RestoreTarget, fields: dict[str, Any], check: str, words: str
) -> None:
    restored = field.restore(**fields)
    bad = restored.bad
    assert bad is not None
    assert (bad.name, "make rollback" in bad.hint) == (check, True)
    assert words in bad.message
    assert equal(field), "it took place: the data is right"


def test_a_well_application_says_so(field: RestoreTarget) -> None:
    restored = field.restore(application_check="true")
    assert [one.passed for one in restored.checks if one.name == "application"] == [True]


def test_an_error_in_the_servers_log_is_found(field: RestoreTarget) -> None:
    log = field.server.cluster.log

    def err() -> None:
        with log.open("a") as file:
            file.write(f"2026-11-23 12:00:00 UTC [1] {field.name} ERROR:  could not read block 0 in file\n")

    reporter = ActionAtStep(at=Step.AFTERWARDS, action=err)
    env = field.env(reporter, server_log=str(log))
    restored = restore.restore(
        env, RestoreRequest(environment=Environment.DEV, file="first.dump", force=True)
    )
    assert restored.bad is not None
    assert restored.bad.name == "log"
    assert "could not read block 0" in restored.bad.message
    again = field.restore(server_log=str(log))
    assert again.bad is None, "what stood there before is not of this restore"


def test_a_log_that_is_gone_afterwards_is_reported(field: RestoreTarget) -> None:
    log = field.sandbox.root / "server.log"
    log.touch()
    reporter = ActionAtStep(at=Step.AFTERWARDS, action=log.unlink)
    env = field.env(reporter, server_log=str(log))
    restored = restore.restore(
        env, RestoreRequest(environment=Environment.DEV, file="first.dump", force=True)
    )
    assert restored.bad is not None
    assert "cannot be read any more" in restored.bad.message
    assert equal(field)


def test_a_dry_run_touches_nothing_and_gives_every_reason_at_once(field: RestoreTarget) -> None:
    before, files = field.seal(), field.sandbox.files()
    plan = restore.prepare_restore(
        field.env(), RestoreRequest(environment=Environment.DEV, file="first.dump", force=True)
    ).plan
    assert plan.refusals == ()
    assert [action.what.split()[0] for action in plan.actions] == [
        "take", "restore", "compare", "ANALYZE", "carry", "swap", "check"
    ]  # fmt: skip
    with psycopg.connect(**field.database.parameters):  # type: ignore[arg-type]
        refused = restore.prepare_restore(
            field.env(), RestoreRequest(environment=Environment.DEV, file="first.dump")
        ).plan
    assert [reason.cause for reason in refused.refusals] == ["sessions", "not empty"]
    assert field.seal() == before
    assert field.names() == [field.name]
    assert field.sandbox.files().keys() == files.keys()


def test_every_restore_is_in_the_journal(field: RestoreTarget) -> None:
    field.restore()
    rollback.rollback(field.env(), RollbackRequest(environment="dev"))
    state = field.env().ctx.settings.state_dir
    found = journal_file.read_entries(state)
    assert [(entry["what"], entry["who"], entry["result"]) for entry in found] == [
        ("backup", "tests", "ok"),
        ("drill", "tests", "ok"),
        ("restore", "tests", "ok"),
        ("rollback", "tests", "ok"),
    ], "the safety backup and its drill belong to the restore"
    assert {entry["environment"] for entry in found} == {"dev"}
    assert (found[2]["file"], found[2]["safety_backup"] is None) == ("first.dump", False)


def test_a_database_left_by_an_interrupted_restore_is_swept_and_others_are_not(field: RestoreTarget) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    others = [f"{field.name}__restoring_mine", f"{field.name}__restoring_20261123_000000_abcd"]
    with field.server.database.connect() as connection:
        for other in others:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(other)))
    field.ask("CREATE TABLE public.somebodys (id int)", others[1])
    with pytest.raises(KeyboardInterrupt):
        restore.restore(
            field.env(ActionAtStep(at=Step.COMPARE, action=stop)),
            RestoreRequest(environment=Environment.DEV, file="first.dump", force=True),
        )
    assert field.names() == sorted([field.name, *others]), "what was interrupted is dropped at once"
    assert field.is_old()
    restored = field.restore()
    assert restored.before is not None
    assert field.names() == sorted([field.name, restored.before, *others]), "neither is ours"
