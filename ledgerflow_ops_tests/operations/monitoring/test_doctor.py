"""The doctor checks what operations need. Each missing thing is named, with what to do."""

from dataclasses import replace
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.load import data_directory, restore_server
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.core.checks import Check, Severity
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.operations import identity
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops.operations.history import history_files
from ledgerflow_ops.operations.monitoring import disk_metrics, doctor
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.databases import run_statements
from ledgerflow_ops_tests.fakes import programs, sandboxes
from ledgerflow_ops_tests.fakes.commands import Commands
from ledgerflow_ops_tests.fakes.recorded_backups import RecordedBackups
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox

_CHECK = {"name", "passed", "message", "hint", "severity", "cause"}


def _findings(env: EnvironmentContext) -> list[Check]:
    """What is wrong; without that no alert channel or archive is set, and what other tests leave."""
    found = doctor.examine(env.ctx, [env])
    others = {"drill", "server", "no copy"}
    return [one for one in found if not one.passed and one.name != "alerts" and one.cause not in others]


def test_it_names_everything_an_operation_would_meet(sandbox: Sandbox) -> None:
    checks = doctor.examine(sandbox.env().ctx, [sandbox.env()])
    found = {check.name: check.message for check in checks}
    expected = {"settings", "account", "alerts", "leftovers", "tools", "embedded", "dev folder", "dev source"}
    expected |= {"dev restore", "dev rules", "archive", "signing key"}
    assert expected == {*found}
    bundled = client_tools.bundled_tools()
    assert f"PostgreSQL {bundled.version} (bundled) in {bundled.folder}, -Z zstd:1" in found["tools"]
    assert "does not exist yet; the first backup creates it" in found["dev folder"]
    assert not backup_folder_of(sandbox.env()).path.exists(), "looking makes nothing"
    sandboxes.take_backup(sandbox.env())
    checks = doctor.examine(sandbox.env().ctx, [sandbox.env()])
    assert any("1 dump" in check.message for check in checks if check.name == "dev folder")
    sources = [check.message for check in checks if check.name == "dev source"]
    assert any(f"PostgreSQL {bundled.version}" in message for message in sources)


def test_a_folder_of_copies_is_looked_at(sandbox: Sandbox) -> None:
    settings = sandbox.env().ctx.settings
    there, away = sandbox.root / "second", sandbox.root / "not mounted"
    there.mkdir()
    ctx = replace(sandbox.env().ctx, settings=settings.model_copy(update={"archive_roots": (there, away)}))
    first, second = (check for check in doctor.examine(ctx, []) if check.name == "archive")
    assert first.passed
    assert f"{there}: " in first.message
    assert not second.passed
    assert f"{away} is not there" in second.message
    assert f"mkdir -p '{away}'" in second.hint


def test_a_database_that_cannot_be_reached_is_a_finding_and_the_others_are_still_looked_at(
    sandbox: Sandbox,
) -> None:
    nowhere = Database({**sandbox.database.parameters, "port": "1"})
    env = Sandbox(sandbox.root, nowhere).env()
    checks = doctor.examine(env.ctx, [env, sandbox.env()])
    (finding,) = [check for check in checks if check.fatal]
    assert (finding.name, finding.severity) == ("dev source", Severity.ERROR)
    assert "Connection refused" in finding.message
    assert finding.hint
    assert any(check.name == "dev source" and check.passed for check in checks)


def test_another_environments_database_is_found_before_a_backup_refuses_it(sandbox: Sandbox) -> None:
    sandboxes.take_backup(sandbox.env())
    env = sandboxes.new_env(Environment.TEST, sandbox.root, sandbox.database)
    (finding,) = [check for check in _findings(env) if check.fatal]
    assert finding.name == "test source"
    assert "leads to dev's" in finding.message


def test_tools_that_are_missing_or_too_old_are_found(sandbox: Sandbox) -> None:
    empty, old = sandbox.root / "empty", sandbox.root / "old"
    empty.mkdir()
    old.mkdir()
    env = sandboxes.with_settings(sandbox.env(), tools_dir=empty)
    assert {check.name for check in _findings(env) if "no working pg_dump" in check.message} == {
        "tools",
        "dev source",
    }
    for name in ("pg_dump", "pg_restore", "pg_dumpall"):
        programs.write(old / name, f'echo "{name} (PostgreSQL) 14.3"')
    env = sandboxes.with_settings(sandbox.env(), tools_dir=old)
    (finding,) = [check for check in _findings(env) if check.name == "dev source"]
    assert "pg_dump is older than the server" in finding.message
    assert "14.3 (tools_dir)" in finding.message


@pytest.mark.parametrize(
    ("environment", "severity"), [(Environment.DEV, None), (Environment.PROD, Severity.WARN)]
)
def test_the_sample_is_loud_and_in_prod_a_warning(
    root: Path, embedded: EmbeddedPostgres, environment: Environment, severity: Severity | None
) -> None:
    env = builders.env(root, environment=environment)
    env = sandboxes.with_settings(env, state_dir=embedded.state_dir)
    checks = doctor.examine(env.ctx, [env])
    (loud,) = [check for check in checks if "SAMPLE DATA" in check.message]
    assert f"no URL is set for {environment}. These are not your books." in loud.message
    assert (loud.passed, None if loud.passed else loud.severity) == (severity is None, severity)
    if severity:
        assert f"LEDGER_{environment.upper()}_DATABASE_URL" in loud.hint


def test_it_says_where_the_signing_key_is_and_that_a_copy_must_go_elsewhere(root: Path) -> None:
    env = builders.env(root, rules=[], now=lambda: builders.NOON)
    (none,) = _signing_key(env)
    file = history_files.key_file(env.ctx)
    assert none.passed
    assert none.message == f"there is none yet; the first backup creates {file}, private to this account"
    assert not file.exists(), "looking makes nothing"
    RecordedBackups(env).backup(builders.NOON)
    (made,) = _signing_key(env)
    key = history_files.signing_key(env.ctx)
    assert key
    assert made.passed
    assert made.message.startswith(
        f"{file}, private to this account. Keep a copy of it away from this machine"
    )
    assert made.message.endswith(f"By the public key it can still be checked: {key.public}")
    file.chmod(0o640)
    (exposed,) = _signing_key(env)
    assert (exposed.severity, exposed.cause) == (Severity.ERROR, "SettingsError")
    assert f"{file} has mode 0640: others may have read it." in exposed.message
    assert f"chmod 600 {file}" in exposed.hint


@pytest.mark.parametrize("place", ["backups/state", "second/state"])
def test_a_signing_key_below_the_backups_or_a_location_is_a_warning(root: Path, place: str) -> None:
    made = builders.env(root, archive_roots=(root / "second",))
    env = sandboxes.with_settings(made, state_dir=root / place)
    (finding,) = _signing_key(env)
    assert (finding.severity, finding.cause) == (Severity.WARN, "beside the backups")
    assert f"The signing key would be {root / place / 'history' / 'signing.key'}, in" in finding.message
    assert "Set state_dir to a folder outside" in finding.hint


def _signing_key(env: EnvironmentContext) -> list[Check]:
    return [check for check in doctor.examine(env.ctx, []) if check.name == "signing key"]


def test_the_command_ends_with_zero_when_all_is_well(sandbox: Sandbox, database: Database) -> None:
    finished = Commands(sandbox, database).run("doctor", "--json")
    assert finished.code == 0, finished.words
    checks = finished.json["checks"]
    assert all({*check} == _CHECK for check in checks)
    told = [check for check in checks if not check["passed"] and check["cause"] not in ("drill", "server")]
    assert [check["name"] for check in told] == ["alerts", "archive"]
    assert "No channel is set: when something is wrong, nobody is alerted." in finished.errors
    assert "dev source" in finished.errors


def test_the_command_ends_with_one_when_something_is_missing_and_knows_misspelt_variables(
    sandbox: Sandbox, database: Database
) -> None:
    finished = Commands(sandbox, database).run(
        "doctor",
        LEDGER_DEV_DATABASE_URL="postgresql://clerk@127.0.0.1:1/books",
        LEDGER_BACKUP_ROOTS="/somewhere",
    )
    assert finished.code == 1
    assert "BAD  dev source" in finished.out
    assert "Connection refused" in finished.out
    assert "LEDGER_BACKUP_ROOTS is set, but is not a setting." in finished.out
    assert "Did you mean LEDGER_BACKUP_ROOT?" in finished.out
    assert "hint:" in finished.out


def test_listed_files_are_looked_at_and_missing_ones_named(sandbox: Sandbox) -> None:
    with_files = sandbox.with_files()
    checks = doctor.examine(with_files.env().ctx, [with_files.env()])
    assert [check.message for check in checks if check.name == "dev files"] == ["1 file, 102.4 KB"]
    (media,) = with_files.fields["files"]
    media.rename(media.with_name("elsewhere"))
    (finding,) = _findings(with_files.env())
    assert f"{media} is listed in `files` but does not exist" in finding.message


_WRITES = (
    "CREATE TABLE logins (who name)",
    """CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS
       $$ BEGIN INSERT INTO public.logins VALUES (session_user); END $$""",
    "CREATE EVENT TRIGGER note ON login EXECUTE FUNCTION note()",
)


def test_a_look_fires_no_login_trigger_where_it_can_be_helped(root: Path, database: Database) -> None:
    """A superuser's fires none. Another account's fires none where the server alone is asked."""
    run_statements(database, *_WRITES)
    quiet = restore_server.without_event_triggers(database)

    def fired() -> int:
        with quiet.connect() as connection:
            [(seen,)] = connection.execute("SELECT count(*) FROM public.logins").fetchall()
            return int(seen)

    env = Sandbox(root / "own", database).env()
    assert [one for one in doctor.examine(env.ctx, [env]) if one.cause == "login trigger"] == []
    identity.check_identity(env, accept=True)
    _glance(env)
    assert fired() == 0
    run_statements(quiet, "CREATE ROLE teller LOGIN PASSWORD 'x' IN ROLE pg_read_all_data, pg_monitor")
    try:
        login = Database({**database.parameters, "user": "teller", "password": "x"})
        env = Sandbox(root / "teller", login).env()
        _glance(env)
        assert fired() == 0
        (found,) = [one for one in doctor.examine(env.ctx, [env]) if one.cause == "login trigger"]
        assert "note" in found.message
        assert found.severity is Severity.WARN
        assert str(found.hint).endswith("GRANT SET ON PARAMETER event_triggers TO teller;")
        before = fired()
        run_statements(quiet, str(found.hint).partition(": ")[2])
        assert [one for one in doctor.examine(env.ctx, [env]) if one.cause == "login trigger"] == []
        assert fired() == before
    finally:
        run_statements(quiet, "DROP OWNED BY teller", "DROP ROLE teller")


def _glance(env: EnvironmentContext) -> None:
    """What the daemon asks of a server every few minutes."""
    assert disk_metrics.connection_problem(env) == ""
    data_directory.data_folder(env.database())


def _named(env: EnvironmentContext, name: str) -> list[Check]:
    return [check for check in doctor.examine(env.ctx, [env]) if check.name == name]


def test_a_secret_that_others_can_read_is_a_warning_until_it_is_private(sandbox: Sandbox) -> None:
    secret, shared = sandbox.root / "prod's.url", sandbox.root / "link.url"
    secret.write_text(builders.database_url(sandbox.database))
    secret.chmod(0o640)
    shared.symlink_to(secret)
    env = sandbox.env(admin_database_url_file=shared)
    (finding,) = _named(env, "secrets")
    assert (finding.passed, finding.severity) == (False, Severity.WARN)
    assert f"{shared} holds a secret" in finding.message
    assert "its mode is 0640" in finding.message
    assert str(finding.hint) == f"Make it private: chmod 600 {shared}"
    secret.chmod(0o600)
    (private,) = _named(env, "secrets")
    assert private.passed
    assert private.message == "1 file with secrets, private to this account"
    secret.unlink()
    assert all(check.passed for check in _named(env, "secrets")), "a missing file is the settings' own error"


@pytest.mark.parametrize(
    ("line", "is_secret"),
    [
        ('database_url = "postgresql://clerk:s3cret@localhost/books"', True),
        ("database_url = \"host=localhost user=clerk password='s 3' dbname=books\"", True),
        ('database_url = "postgresql://clerk@localhost/books"', False),
        ('ping_url = "https://watch.example/dev"', False),
    ],
)
def test_a_settings_file_with_a_password_in_it_is_a_secret(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, line: str, is_secret: bool
) -> None:
    file = sandbox.root / "ledgerflow.toml"
    file.write_text(f"[environments.dev]\n{line}\n")
    file.chmod(0o644)
    monkeypatch.setenv("LEDGER_CONFIG", str(file))
    found = _named(sandbox.env(), "secrets")
    assert [check.cause for check in found] == ([str(file)] if is_secret else [])
    assert not any("s3cret" in check.message for check in found)


def test_prod_without_a_data_rule_is_a_warning_and_says_what_a_proof_does_not_show(sandbox: Sandbox) -> None:
    prod = sandboxes.new_env(Environment.PROD, sandbox.root, sandbox.database)
    (finding,) = _named(prod, "prod rules")
    assert (finding.passed, finding.severity, finding.cause) == (False, Severity.WARN, "no rules")
    assert "nothing about the books themselves" in finding.message
    assert "[[environments.prod.rules]]" in finding.hint
    assert _named(sandbox.env(rules=()), "dev rules") == []
    (present,) = _named(sandbox.env(), "dev rules")
    assert present.passed
    assert "data rules asked of every restored copy" in present.message


def test_backups_in_one_place_alone_are_a_warning_where_they_are_scheduled(sandbox: Sandbox) -> None:
    env = sandbox.env()
    (finding,) = _named(env, "archive")
    assert (finding.passed, finding.severity, finding.cause) == (False, Severity.WARN, "no copy")
    assert f"every backup is in {sandbox.root / 'backups'} alone" in finding.message
    assert "archive_roots = [" in finding.hint
    elsewhere = sandbox.root / "elsewhere"
    elsewhere.mkdir()
    settings = env.ctx.settings.model_copy(update={"archive_roots": (elsewhere,)})
    ctx = replace(env.ctx, settings=settings)
    assert [check.passed for check in doctor.examine(ctx, []) if check.name == "archive"] == [True]
    assert _named(sandbox.env(scheduled=False), "archive") == []
