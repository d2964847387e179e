"""Settings: from where each comes, what is refused, and that a secret stays one."""

import contextlib
import os
import re
import tomllib
from datetime import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from ledgerflow_ops import config, places, sections
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.config import Settings
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import SettingsError
from ledgerflow_ops.location_settings import Location
from ledgerflow_ops.sections import EnvironmentSettings
from ledgerflow_ops_tests.hypothesis_profiles import examples

DEV, TEST, PROD = Environment.DEV, Environment.TEST, Environment.PROD
SECRET = "hunter2-geheim"
URL = f"postgresql://ledger:{SECRET}@db.example:5433/books"
EXAMPLE = places.PROJECT / "ledgerflow.example.toml"
COMMENTED = re.compile(r"^#(?=\w+ = |\[)", re.MULTILINE)
"""A setting that is commented out; a line of explanation has a space after the sign."""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings file that applies; empty at first. `~` is a folder of the test's own."""
    found = tmp_path / "ledgerflow.toml"
    found.touch()
    monkeypatch.setenv("LEDGER_CONFIG", str(found))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return found


def refused() -> str:
    """The message of the error that loading ends with."""
    with pytest.raises(SettingsError) as caught:
        config.load()
    assert caught.value.exit_code == 2
    assert caught.value.hint
    assert SECRET not in f"{caught.value}{caught.value!r}{caught.value.__context__!r}"
    return caught.value.message


class TestDefaults:
    def test_without_any_setting_all_three_environments_are_there(self, file: Path) -> None:
        found = config.load()
        assert set(found.environments) == set(Environment)
        assert found.backup_root == file.parent / "home" / "iCloudLedger" / "backups"
        assert found.folder(PROD) == found.backup_root / "prod"
        assert found.dagster_url is None
        for entry in found.environments.values():
            assert entry.url is None
            assert (entry.size_floor, entry.minimum_redundancy) == (0, 2)
            assert (entry.time_zone, entry.schedule) == ("UTC", time(2, 30))

    @pytest.mark.parametrize(("environment", "days"), [(PROD, 30), (DEV, 7), (TEST, 3)])
    def test_each_environment_has_a_retention_of_its_own(
        self, file: Path, environment: Environment, days: int
    ) -> None:
        assert config.load().environments[environment].retention_days == days

    def test_a_setting_given_leaves_the_others_at_their_defaults(self, file: Path) -> None:
        file.write_text('[environments.prod]\ntime_zone = "Europe/Vienna"\n')
        prod = config.load().environments[PROD]
        assert (prod.time_zone, prod.retention_days) == ("Europe/Vienna", 30)

    def test_without_a_settings_file_the_defaults_hold(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LEDGER_CONFIG", "")
        assert places.config_file() == places.PROJECT / "ledgerflow.toml"

    def test_no_part_of_the_settings_can_be_changed(self, file: Path) -> None:
        found = config.load()
        with pytest.raises(ValidationError, match="frozen"):
            found.backup_root = Path("/elsewhere")  # type: ignore[misc]
        with pytest.raises(ValidationError, match="frozen"):
            found.environments[DEV].retention_days = 1  # type: ignore[misc]


class TestOrigin:
    def test_a_variable_goes_before_the_file(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file.write_text(
            'backup_root = "/file"\n[environments.dev]\nretention_days = 11\nsize_floor = "1KB"\n'
        )
        monkeypatch.setenv("LEDGER_BACKUP_ROOT", "/variable")
        monkeypatch.setenv("LEDGER_DEV_RETENTION_DAYS", "12")
        found = config.load()
        assert found.backup_root == Path("/variable")
        assert found.environments[DEV].retention_days == 12
        assert found.environments[DEV].size_floor == 1000

    def test_an_empty_variable_is_no_setting(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file.write_text('backup_root = "/file"\n[environments.dev]\nretention_days = 11\n')
        for name in ("LEDGER_BACKUP_ROOT", "LEDGER_DEV_RETENTION_DAYS", "LEDGER_DEV_DATABASE_URL"):
            monkeypatch.setenv(name, "")
        found = config.load()
        assert found.backup_root == Path("/file")
        assert found.environments[DEV].retention_days == 11

    @pytest.mark.parametrize("variable", ["LEDGER_DEV_DATABASE_URL", "LEDGER_DEV_DATABASE_URL_FILE"])
    @pytest.mark.parametrize("setting", ["database_url", "database_url_file"])
    def test_a_variable_goes_before_the_file_in_whatever_form_each_gives_the_url(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, variable: str, setting: str
    ) -> None:
        (file.parent / "new").write_text("postgresql:///new")
        (file.parent / "old").write_text("postgresql:///old")
        new = str(file.parent / "new") if variable.endswith("FILE") else "postgresql:///new"
        old = str(file.parent / "old") if setting.endswith("file") else "postgresql:///old"
        file.write_text(f'[environments.dev]\n{setting} = "{old}"\n')
        assert config.load().environments[DEV].url == "postgresql:///old"
        monkeypatch.setenv(variable, new)
        assert config.load().environments[DEV].url == "postgresql:///new"

    @pytest.mark.parametrize(
        ("written", "meant"),
        [("backups", places.PROJECT / "backups"), ("~/b", Path("home/b")), ("/b/c", Path("/b/c"))],
    )
    def test_a_relative_path_begins_at_the_project_and_a_tilde_at_home(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, written: str, meant: Path
    ) -> None:
        monkeypatch.chdir(file.parent)
        monkeypatch.setenv("LEDGER_STATE_DIR", written)
        assert config.load().state_dir == file.parent / meant

    def test_variables_that_mean_nothing_are_known_with_the_nearest_that_does(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("LEDGER_BACKUP_ROT", "LEDGER_ENV", "LEDGER_PROD_SIZE_FLOOR", "LEDGER_QZXJQZXJQZXJQZXJ"):
            monkeypatch.setenv(name, "1")
        found = config.unknown_variables()
        assert found == {"LEDGER_BACKUP_ROT": "LEDGER_BACKUP_ROOT", "LEDGER_QZXJQZXJQZXJQZXJ": ""}


class TestMistakes:
    def test_all_are_reported_at_once_each_with_its_path(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file.write_text(
            'backup_rot = "x"\n[environments.dev]\nretention_days = 0\nschedule = "tea time"\n'
            '[environments.test]\ndatabase_url_file = "/nowhere/url"\n'
            '[[environments.prod.rules]]\nname = ""\nsql = "SELECT 1"\n'
        )
        monkeypatch.setenv("LEDGER_DEV_TIME_ZONE", "Mars/Olympus")
        monkeypatch.setenv("LEDGER_PROD_DATABASE_URL", f"mysql://u:{SECRET}@h/db")
        monkeypatch.setenv("LEDGER_TOOLS_DIR", "~nobody-of-this-name/bin")
        message = refused()
        for path in (
            "backup_rot",
            "tools_dir",
            "environments.dev.retention_days",
            "environments.dev.schedule",
            "environments.dev.time_zone",
            "environments.test: database_url_file: /nowhere/url: No such file",
            "environments.prod.database_url",
            "environments.prod.rules.0.name",
            "environments.prod.rules.0.expect",
        ):
            assert f"  {path}" in message
        assert "9 mistakes" in message

    @pytest.mark.parametrize("name", ["PREPROD", "PRE_PROD", "PRODUCTION", "STAGING2"])
    def test_a_url_for_an_environment_that_does_not_exist_is_not_passed_over(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.setenv(f"LEDGER_{name}_DATABASE_URL", URL)
        message = refused()
        assert f"environments.{name.lower()}" in message
        assert "'dev', 'test' or 'prod'" in message

    def test_a_misspelt_setting_of_an_environment_is_not_passed_over(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LEDGER_DEV_DATABSE_URL", URL)
        told = "environments.dev.databse_url: there is no such setting; did you mean database_url?"
        assert told in refused()

    def test_bad_toml_is_reported_with_its_line(self, file: Path) -> None:
        file.write_text(f'backup_root = "/b"\n\ndatabase_url = "{URL}" oops\n')
        message = refused()
        assert str(file) in message
        assert "line 3" in message

    def test_a_file_that_is_not_text_is_reported(self, file: Path) -> None:
        file.write_bytes(b"backup_root = '\xff\xfe'\n")
        assert "not TOML" in refused()

    @pytest.mark.parametrize("name", ["/nowhere/ledgerflow.toml", "~nobody-of-this-name/ledgerflow.toml"])
    def test_a_named_settings_file_has_to_be_there(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        monkeypatch.setenv("LEDGER_CONFIG", name)
        assert f"LEDGER_CONFIG: no file {name}" in refused()

    def test_a_settings_file_that_is_a_folder_is_reported(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LEDGER_CONFIG", str(tmp_path))
        assert f"{tmp_path}: Is a directory" in refused()

    @pytest.mark.parametrize("written", ['""', r'"a\u0000b"', '"~nobody-of-this-name"', "3"])
    def test_what_is_no_path_is_refused(self, file: Path, written: str) -> None:
        file.write_text(f"backup_root = {written}\n")
        assert "backup_root: " in refused()

    @pytest.mark.parametrize(
        ("written", "words"),
        [
            ('["media"]', "write an absolute path"),
            ('["./media"]', "write an absolute path"),
            ('["~nobody-of-this-name/x"]', "there is no home folder"),
            ('["/"]', "the whole disk"),
            ('["/srv/media", "/srv/media"]', "one lies in the other"),
            ('["/srv", "/srv/media"]', "/srv/media and environments.dev.files (/srv)"),
            ('["/srv/media/a/..", "/srv/media"]', "one lies in the other"),
            ('["~/iCloudLedger"]', "and backup_root ("),
            ('["~/iCloudLedger/backups/dev"]', "and backup_root ("),
            ('["~/.local"]', "and state_dir ("),
            ('["~"]', "and backup_root ("),
            ('["LINK"]', "and backup_root ("),
            ('"/srv/media"', "tuple"),
        ],
    )
    def test_files_that_cannot_be_listed_are_refused(self, file: Path, written: str, words: str) -> None:
        link = file.parent / "link"
        (file.parent / "home").mkdir()
        link.symlink_to("home")
        file.write_text(f"[environments.dev]\nfiles = {written.replace('LINK', str(link))}\n")
        message = refused()
        assert "environments.dev.files" in message
        assert words in message

    def test_two_environments_do_not_share_files(self, file: Path) -> None:
        file.write_text('[environments.dev]\nfiles = ["/srv"]\n[environments.prod]\nfiles = ["/srv/media"]\n')
        assert "environments.prod.files: /srv/media and environments.dev.files (/srv)" in refused()

    def test_files_that_only_begin_alike_are_apart(self, file: Path) -> None:
        file.write_text('[environments.dev]\nfiles = ["/srv/media", "/srv/media2", "~/x/../.env"]\n')
        found = config.load().environments[DEV].files
        assert found == (Path("/srv/media"), Path("/srv/media2"), file.parent / "home" / ".env")

    def test_a_table_as_a_variable_that_cannot_be_read_is_refused(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LEDGER_ENVIRONMENTS", f"dev={URL}")
        assert "environments" in refused()

    @pytest.mark.parametrize("written", ["environments = 3", "environments.dev = 3", "environments = [1]"])
    def test_environments_that_are_no_tables_are_refused(self, file: Path, written: str) -> None:
        file.write_text(written)
        assert "  environments" in refused()


class TestSecrets:
    def test_a_url_comes_from_the_first_line_of_a_file(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        secret = file.parent / "dev.url"
        secret.write_text(f"  {URL}\n# written by hand\n")
        monkeypatch.setenv("LEDGER_DEV_DATABASE_URL_FILE", str(secret))
        monkeypatch.setenv("LEDGER_DAGSTER_DATABASE_URL_FILE", str(secret))
        found = config.load()
        assert found.environments[DEV].url == URL
        assert found.dagster_url == URL

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "not a PostgreSQL URL"),
            (b"\xff\xfe\x00" + SECRET.encode(), "not text"),
            (f"mysql://u:{SECRET}@h/db".encode(), "not a PostgreSQL URL"),
            (f"postgresql://u:{SECRET}@h".encode(), "names no database"),
        ],
    )
    def test_a_file_that_holds_no_url_is_reported_by_its_name_alone(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, reason: str
    ) -> None:
        secret = file.parent / "prod.url"
        secret.write_bytes(content)
        monkeypatch.setenv("LEDGER_PROD_DATABASE_URL_FILE", str(secret))
        message = refused()
        assert f"environments.prod: database_url_file: {secret}: " in message
        assert reason in message

    @pytest.mark.parametrize("prefix", ["LEDGER_PROD", "LEDGER_DAGSTER"])
    def test_a_url_and_a_file_that_holds_one_are_one_too_many(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, prefix: str
    ) -> None:
        monkeypatch.setenv(f"{prefix}_DATABASE_URL", URL)
        monkeypatch.setenv(f"{prefix}_DATABASE_URL_FILE", str(file))
        assert "are both set: keep one of them" in refused()

    def test_no_form_of_the_settings_shows_one(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LEDGER_DEV_DATABASE_URL", URL)
        monkeypatch.setenv("LEDGER_DAGSTER_DATABASE_URL", URL)
        secret = file.parent / "test.url"
        secret.write_text(URL + "2")
        monkeypatch.setenv("LEDGER_TEST_DATABASE_URL_FILE", str(secret))
        found = config.load()
        dev = found.environments[DEV]
        for text in (
            repr(found),
            str(found),
            repr(dev),
            f"{dev}",
            str(found.model_dump()),
            found.model_dump_json(),
        ):
            assert SECRET not in text
        assert dev.url == URL

    @pytest.mark.parametrize("other", [URL, URL.replace("postgresql://", "postgres://")])
    def test_two_environments_with_one_database_are_refused(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, other: str
    ) -> None:
        secret = file.parent / "prod.url"
        secret.write_text(other)
        monkeypatch.setenv("LEDGER_DEV_DATABASE_URL", URL)
        monkeypatch.setenv("LEDGER_PROD_DATABASE_URL_FILE", str(secret))
        message = refused()
        assert "environments: dev and prod have the same database URL" in message


# What people paste: the reserved characters of URLs, quotes, blanks, other alphabets.
_ODD = st.text(alphabet=st.sampled_from(list("aZ0@:/?#[]%&=+ '\"\\;$()é漢.,-_~")), max_size=12)
_PASSWORDS = st.builds(lambda left, right: f"{left}S3cr3t{right}", _ODD, _ODD)


class TestOddUrls:
    @pytest.mark.parametrize(
        ("url", "host", "database"),
        [
            ("postgresql://h/db", "h", "db"),
            ("postgres://u@h:6543/db", "h", "db"),
            ("postgresql+psycopg2://u:p@h/db", "h", "db"),
            ("postgresql://u:p%40%3A%2Fx@h/db", "h", "db"),
            ("postgresql://u@/db?host=/var/run/postgresql", "/var/run/postgresql", "db"),
            ("postgresql://[::1]:5432/db?sslmode=require", "::1", "db"),
            ("postgresql://u@h/d%C3%A9v", "h", "dév"),
            ("postgresql://u@h1:5432,h2:5433/db?target_session_attrs=read-write", "h1,h2", "db"),
            ("postgresql://u@%2Fvar%2Frun%2Fpg/db", "/var/run/pg", "db"),
            ("host=h dbname='my db' user=u", "h", "my db"),
            ("host=h1,h2 port=5432,5433 dbname=db load_balance_hosts=random", "h1,h2", "db"),
        ],
    )
    def test_every_good_form_leads_to_its_database(self, url: str, host: str, database: str) -> None:
        found = Database.from_address(EnvironmentSettings(database_url=url).url or "", "dev")
        assert (found.parameters["host"], found.parameters["dbname"]) == (host, database)

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "x",
            "://",
            "postgresql",
            "postgresql://",
            "postgresql://h",
            "postgresql://h/",
            "postgresql://h:port/db",
            "postgresql://h:0/db",
            "postgresql://h:99999/db",
            "postgresql://[::1/db",
            "mysql://h/db",
            "http://h/db",
            "host=h",
            "host=h dbname='db",
        ],
    )
    def test_what_names_no_database_is_refused_with_the_form_to_write(self, url: str) -> None:
        with pytest.raises(ValidationError, match="postgresql://user@host:5432/database"):
            EnvironmentSettings(database_url=url)

    def test_a_url_whose_escapes_are_no_text_is_refused(self) -> None:
        with pytest.raises(SettingsError, match="not a PostgreSQL URL"):
            Database.from_address(f"postgresql://u:{SECRET}@h/%a0", "environments.dev.database_url")

    @given(user=_ODD, password=_PASSWORDS, host=_ODD, database=_ODD)
    @examples(300, suppress_health_check=[HealthCheck.filter_too_much])
    def test_any_text_is_a_database_or_a_settings_error_and_never_shown(
        self, user: str, password: str, host: str, database: str
    ) -> None:
        assume("S3cr3t" not in f"{user}{host}{database}")
        url = f"postgresql://{user}:{password}@{host}/{database}"
        shown = ""
        try:
            entry = EnvironmentSettings(database_url=url)
            shown = repr(entry)
            found = Database.from_address(entry.url or "", "environments.dev.database_url")
            shown += repr(found) + found.label
            found.sqlalchemy_url()
            found.variables()
        except ValidationError as error:
            shown += "; ".join(item["msg"] for item in error.errors(include_input=False))
        except SettingsError as error:
            shown += str(error)
        assert "S3cr3t" not in shown

    @given(text=st.text(max_size=40))
    @examples(200)
    def test_any_text_at_all_in_a_variable_ends_in_settings_or_a_settings_error(self, text: str) -> None:
        raw = os.fsencode(text) if text.isprintable() else text.encode("utf-8", "surrogatepass")
        assume(b"\0" not in raw)
        os.environb[b"LEDGER_DEV_DATABASE_URL"] = b"postgresql://u@h/" + raw
        try:
            with contextlib.suppress(SettingsError):
                entry = config.load().environments[DEV]
                Database.from_address(entry.url or "", "environments.dev.database_url")
        finally:
            del os.environ["LEDGER_DEV_DATABASE_URL"]


class TestCompose:
    TABLE = '[environments.{0}.compose]\nproject = "{1}"\nfile = "c.yml"\nservice = "{2}"\n'

    def test_a_container_is_named_by_three_words(self, file: Path) -> None:
        file.write_text(self.TABLE.format("dev", "ledger-dev", "postgres"))
        found = config.load().environments[DEV].compose
        assert found is not None
        assert (found.project, found.file, found.service) == (
            "ledger-dev", places.PROJECT / "c.yml", "postgres"
        )  # fmt: skip
        assert (found.env_file, found.database, found.user, found.application) == (None, None, None, ())
        assert config.load().environments[PROD].compose is None

    @pytest.mark.parametrize("given", ["database_url", "admin_database_url"])
    def test_beside_a_url_it_is_refused_wherever_that_comes_from(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, given: str
    ) -> None:
        file.write_text(self.TABLE.format("dev", "ledger-dev", "postgres"))
        monkeypatch.setenv(f"LEDGER_DEV_{given.upper()}", URL)
        assert f"compose and {given} are both set" in refused()

    def test_two_environments_with_one_container_are_refused(self, file: Path) -> None:
        dev = self.TABLE.format("dev", "ledger", "postgres")
        file.write_text(dev + self.TABLE.format("prod", "ledger", "postgres"))
        assert "dev and prod have the same container, ledger/postgres" in refused()
        file.write_text(dev + self.TABLE.format("prod", "ledger", "postgres-prod"))
        assert config.load().environments[PROD].compose

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ('project = "-p"', "not a Compose project's name"),
            ('project = "Ledger"', "not a Compose project's name"),
            ('service = "--privileged"', "not a Compose service's name"),
            ('application = ["--all"]', "not a Compose service's name"),
            ('password = "x"', "compose.password"),
            ('file = ""', "compose.file"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, file: Path, line: str, said: str) -> None:
        name = line.partition(" ")[0]
        table = self.TABLE.format("dev", "ledger-dev", "postgres").splitlines()
        kept = [one for one in table if not one.startswith(f"{name} ")]
        file.write_text("\n".join([*kept, line]) + "\n")
        assert said in refused()

    def test_all_three_words_are_needed(self, file: Path) -> None:
        file.write_text('[environments.dev.compose]\nservice = "postgres"\n')
        message = refused()
        assert "compose.project" in message
        assert "compose.file" in message


class TestAlerts:
    CHANNEL = '[[alerts.channels]]\nname = "phone"\n'

    def test_a_channel_is_a_name_and_an_address(self, file: Path) -> None:
        (file.parent / "phone.url").write_text(f"ntfy://{SECRET}@host/topic\nmore\n")
        named = file.parent / "phone.url"
        file.write_text(
            f'{self.CHANNEL}url_file = "{named}"\nenvironments = ["prod"]\nlevel = "critical"\n'
            f'[[alerts.channels]]\nname = "mail"\nurl = "mailto://{SECRET}@host"\n'
        )
        phone, mail = config.load().alerts.channels
        assert phone.address == f"ntfy://{SECRET}@host/topic"
        assert (phone.environments, phone.level) == ((PROD,), "critical")
        assert mail.address == f"mailto://{SECRET}@host"
        assert (mail.environments, mail.level) == (tuple(Environment), "warning")
        assert SECRET not in repr(config.load())

    @pytest.mark.parametrize(
        ("lines", "said"),
        [
            (CHANNEL, "alerts.channels.0: url and url_file are both missing"),
            (
                f'{CHANNEL}url = "ntfy://{SECRET}"\nurl_file = "x"',
                "alerts.channels.0: url and url_file are both",
            ),
            (f'{CHANNEL}url = "{SECRET}"', "alerts.channels.0.url: not an address of a channel"),
            (f'{CHANNEL}url = "ntfy://"', "alerts.channels.0.url: not an address of a channel"),
            (f'{CHANNEL}url_file = "/nowhere/phone"', "alerts.channels.0: url_file: /nowhere/phone: No such"),
            (f'{CHANNEL}url = "ntfy://x"\n' * 2, "alerts.channels: two channels have the name phone"),
            (f'{CHANNEL}url = "ntfy://x"\nlevel = "loud"', "alerts.channels.0.level"),
            (f'{CHANNEL}url = "ntfy://x"\nenvironments = ["preprod"]', "alerts.channels.0.environments.0"),
            ("[alerts]\nquiet_from = 22:00:00", "alerts: quiet_from and quiet_until go together"),
            (
                "[alerts]\nquiet_from = 07:00:00\nquiet_until = 07:00:00",
                "alerts: quiet_from and quiet_until are",
            ),
            ("[alerts]\nremind_hours = 0", "alerts.remind_hours"),
            ("[alerts]\nsettle_minutes = -1", "alerts.settle_minutes"),
            ('[alerts]\ntime_zone = "Vienna"', "alerts.time_zone: no such time zone"),
        ],
    )
    def test_what_cannot_be_meant_is_refused_with_its_path(self, file: Path, lines: str, said: str) -> None:
        file.write_text(lines + "\n")
        assert said in refused()


class TestWebAddresses:
    @pytest.mark.parametrize(
        ("written", "read"),
        [
            ("https://backups.example.org", "https://backups.example.org"),
            ("HTTPS://Backups.Example.org/", "https://backups.example.org"),
            ("http://localhost:8080", "http://localhost:8080"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ],
    )
    def test_one_is_an_origin(self, written: str, read: str) -> None:
        assert Settings(web_addresses=(written,)).web_addresses == (read,)

    @pytest.mark.parametrize(
        "written",
        ["backups.example.org", "https://", "https://a.example/path", "ftp://a.example", "https://u:p@a.example",
         "https://a.example?x=1", "https://a.example#x", "https://*.example.org", "https://a.example:0",
         "https://a.example:x", "null", "*", "https://a b.example"],
    )  # fmt: skip
    def test_what_is_none_is_told_how_to_write_it(self, written: str) -> None:
        with pytest.raises(ValidationError, match=r"write it as https://backups\.example\.org"):
            Settings(web_addresses=(written,))


class TestExample:
    def test_it_loads_as_it_is_and_changes_nothing(self, file: Path) -> None:
        defaults = config.load()
        file.write_text(EXAMPLE.read_text())
        assert config.load() == defaults

    def test_it_loads_with_everything_uncommented_and_shows_the_defaults(self, file: Path) -> None:
        secrets = Path("~/.config/ledgerflow").expanduser()
        secrets.mkdir(parents=True)
        (secrets / "prod.url").write_text("postgresql://ledgerflow@db.example/ledgerflow")
        (secrets / "phone.url").write_text("ntfy://topic")
        defaults = config.load()
        file.write_text(COMMENTED.sub("", EXAMPLE.read_text()))
        found = config.load()
        assert len(found.environments[DEV].rules) == 1
        assert found.environments[DEV].url
        assert found.environments[PROD].url == "postgresql://ledgerflow@db.example/ledgerflow"
        examples = {"database_url", "database_url_file", "admin_database_url", "rules", "files"}
        examples |= {"application_check", "server_log", "compose", "scheduled", "append_only", "ping_url"}
        examples |= {"recipients", "identity_file", "escrow_identity_file"}
        for environment in Environment:
            expected = defaults.environments[environment].model_dump(exclude=examples)
            assert found.environments[environment].model_dump(exclude=examples) == expected
        assert found.guard.model_dump(exclude={"volumes"}) == defaults.guard.model_dump(exclude={"volumes"})
        examples = {"channels", "quiet_from", "quiet_until"}
        assert found.alerts.model_dump(exclude=examples) == defaults.alerts.model_dump(exclude=examples)
        assert [channel.name for channel in found.alerts.channels] == ["phone", "mail"]
        examples = {"archive_roots", "tools_dir", "dagster_database_url", "environments", "guard", "alerts"}
        examples |= {"web_port", "viewers_port", "web_addresses", "web_proxy_secret_file", "locations"}
        examples.add("history_keys")
        assert [location.kind for location in found.locations] == ["s3", "folder", "azure"]
        assert found.model_dump(exclude=examples) == defaults.model_dump(exclude=examples)

    def test_every_setting_is_in_it_below_its_explanation(self) -> None:
        text = EXAMPLE.read_text()
        settings = {
            *Settings.model_fields,
            *EnvironmentSettings.model_fields,
            *sections.Compose.model_fields,
            *sections.GuardSettings.model_fields,
            *sections.AlertSettings.model_fields,
            *sections.Channel.model_fields,
            *Location.model_fields,
        }
        absent = {name for name in settings if not re.search(rf"\b{name}\b", text)}
        assert not absent
        lines = text.splitlines()
        written = [index for index, line in enumerate(lines) if re.match(r"#\w+ = ", line)]
        unexplained = [
            lines[index]
            for index in written
            # dev explains; test and prod say that theirs are the same. A rule's lines follow its header.
            if not lines[index - 1].startswith("#") and "retention_days" not in lines[index]
        ]
        assert not unexplained

    def test_it_sets_nothing_by_itself(self) -> None:
        found = tomllib.loads(EXAMPLE.read_text())
        assert found == {
            "guard": {},
            "alerts": {},
            "environments": {str(environment): {} for environment in Environment},
        }


# -- encryption -------------------------------------------------------------------------------------------

RECIPIENT = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
"""An example of age's own manual."""


def test_recipients_come_from_the_settings_and_a_file(tmp_path: Path) -> None:
    file = tmp_path / "people.txt"
    file.write_text(f"# the safe\n{RECIPIENT}\n\n")
    prod = Settings(environments={"prod": {"recipients_file": file}}).environments[Environment.PROD]
    assert prod.all_recipients == (RECIPIENT,)
    both = Settings(environments={"prod": {"recipients": [RECIPIENT], "recipients_file": file}})
    assert both.environments[Environment.PROD].all_recipients == (RECIPIENT,)
    assert Settings().environments[Environment.PROD].all_recipients == ()


def test_recipients_of_a_variable_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN"
    monkeypatch.setenv("LEDGER_DEV_RECIPIENTS", f"{RECIPIENT},{key}")
    assert config.load().environments[Environment.DEV].all_recipients == (RECIPIENT, key)


@pytest.mark.parametrize(
    ("recipient", "message"),
    [
        (RECIPIENT.replace("ql3z", "ql3y"), "is mistyped: its checksum does not match"),
        (RECIPIENT[:-1], "is mistyped"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsK", "SSH key is mistyped or cut"),
        ("alice", "is no recipient; write it as age1"),
    ],
)
def test_a_mistyped_recipient_is_refused_before_anything_else(
    monkeypatch: pytest.MonkeyPatch, recipient: str, message: str
) -> None:
    monkeypatch.setenv("LEDGER_PROD_RECIPIENTS", recipient)
    with pytest.raises(SettingsError, match=message) as mistyped:
        config.load()
    assert mistyped.value.exit_code == 2
    assert "environments.prod.recipients" in mistyped.value.message


def test_an_identity_in_place_of_a_recipient_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = "AGE-SECRET-KEY-1QL3Z7HJY54PW3HYWW5AYYFG7ZQGVC7W3J2ELW8ZMRJ2KG5SFN9AQMCAC8P"
    monkeypatch.setenv("LEDGER_PROD_RECIPIENTS", secret)
    with pytest.raises(SettingsError, match="this is an identity, a private key") as pasted:
        config.load()
    assert secret not in str(pasted.value)
    monkeypatch.delenv("LEDGER_PROD_RECIPIENTS")
    file = tmp_path / "people.txt"
    file.write_text(secret)
    monkeypatch.setenv("LEDGER_PROD_RECIPIENTS_FILE", str(file))
    with pytest.raises(SettingsError, match="this is an identity, a private key") as in_file:
        config.load()
    assert secret not in str(in_file.value)


def test_one_source_of_identities_at_a_time() -> None:
    with pytest.raises(ValidationError, match="identity_file and identity_command are both set"):
        Settings(environments={"dev": {"identity_file": "/k", "identity_command": "cat /k"}})
    escrow = {"escrow_identity_file": "/k", "escrow_identity_command": "cat /k"}
    with pytest.raises(ValidationError, match="escrow_identity_file and escrow_identity_command are both"):
        Settings(environments={"dev": escrow})
