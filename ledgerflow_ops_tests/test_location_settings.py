"""Archive locations in the settings: their form, what is refused, and the folders of archive_roots."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from ledgerflow_ops import config
from ledgerflow_ops.adapters.storage.local_store import LocalStore
from ledgerflow_ops.adapters.storage.objects.bucket import CredentialSource
from ledgerflow_ops.config import Settings
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import SettingsError
from ledgerflow_ops.location_settings import Location
from ledgerflow_ops.operations.locations import bucket_of, location_store

DEV, PROD = Environment.DEV, Environment.PROD
SECRET = "hunter2-geheim"


def made(**fields: object) -> Location:
    return Location.model_validate({"name": "far", "kind": "s3", "url": "s3://books/backups", **fields})


def test_an_s3_location_has_bucket_and_prefix() -> None:
    location = made(url="s3://books/a/b/", rate_limit="10MB", retention_days=90)
    assert (location.bucket, location.prefix, location.folder) == ("books", "a/b", None)
    assert (location.rate_limit, location.retention_days, location.keep_weekly) == (10_000_000, 90, None)
    assert location.environments == tuple(Environment)
    assert (location.is_offsite, made(offsite=False).is_offsite) == (True, False)
    assert made(url="s3://books").prefix == ""


@pytest.mark.parametrize(
    ("url", "service", "account", "prefix"),
    [
        ("https://led.blob.core.windows.net/bkp/x", "https://led.blob.core.windows.net", "led", "x"),
        ("https://led.blob.core.usgovcloudapi.net/bkp", "https://led.blob.core.usgovcloudapi.net", "led", ""),
        ("http://127.0.0.1:10000/devstoreaccount1/bkp/x/y", "http://127.0.0.1:10000/devstoreaccount1",
         "devstoreaccount1", "x/y"),
    ],
)  # fmt: skip
def test_an_azure_location_names_its_account(url: str, service: str, account: str, prefix: str) -> None:
    location = made(kind="azure", url=url)
    assert (location.service, location.account) == (service, account)
    assert (location.bucket, location.prefix) == ("bkp", prefix)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"url": "books"}, "url: not a URL of kind s3; write it as s3://bucket/prefix"),
        ({"url": "gs://books"}, "url: not a URL of kind s3"),
        ({"url": "s3://books/../other"}, "url: not a URL of kind s3"),
        ({"url": "s3://books//x"}, "url: not a URL of kind s3"),
        ({"kind": "gcs"}, "write it as gs://bucket/prefix"),
        ({"url": f"s3://key:{SECRET}@books/x"}, "url: holds credentials"),
        (
            {"kind": "azure", "url": f"https://led.blob.core.windows.net/bkp?sig={SECRET}"},
            "holds credentials",
        ),
        ({"kind": "folder", "url": "/x", "region": "eu"}, "region: not a setting of kind folder"),
        (
            {"kind": "gcs", "url": "gs://books", "endpoint": "https://x"},
            "endpoint: not a setting of kind gcs",
        ),
        ({"name": "Far away"}, "not a location's name"),
        ({"name": "primary"}, "not a location's name"),
        ({"endpoint": "s3.example.org"}, "write it as https://s3.example.org"),
        ({"endpoint": f"https://key:{SECRET}@s3.example.org"}, "holds credentials: write them into"),
        ({"credentials": "sdk", "credentials_file": "/x"}, "credentials and credentials_file are both set"),
        ({"retention_days": 0}, "greater than or equal to 1"),
        ({"rate_limit": 1}, "greater than or equal to 1024"),
        ({"environments": ["staging"]}, "environments"),
        ({"acces_key": SECRET}, "acces_key"),
    ],
)
def test_a_wrong_location_is_refused_and_no_secret_is_repeated(
    fields: dict[str, object], problem: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        made(**fields)
    assert problem in str(caught.value)
    assert SECRET not in str(caught.value)


def test_the_folders_of_archive_roots_are_locations_of_kind_folder(root: Path) -> None:
    settings = Settings(
        archive_roots=(root / "one", root / "two"),
        locations=(made(environments=["prod"]), made(name="usb", kind="folder", url=str(root / "usb"))),
    )
    found = [(location.name, location.kind) for location in settings.all_locations]
    assert found == [("archive", "folder"), ("archive-2", "folder"), ("far", "s3"), ("usb", "folder")]
    assert [location.name for location in settings.locations_of(DEV)] == ["archive", "archive-2", "usb"]
    assert [location.name for location in settings.locations_of(PROD)][2] == "far"
    assert settings.archive_folders == (root / "one", root / "two", root / "usb")
    assert not settings.all_locations[0].is_offsite


@pytest.mark.parametrize(
    ("locations", "problem"),
    [
        ([("usb", "/a"), ("usb", "/b")], "two have the name usb"),
        ([("archive", "/b")], "two have the name archive"),
        ([("usb", "/a"), ("copy", "/a")], "usb and copy are the same place"),
        ([("usb", "/one")], "archive and usb are the same place"),
        ([("usb", "/backups/inside")], r"usb \(/backups/inside\) and backup_root are the same, or one lies"),
    ],
)
def test_locations_are_apart(locations: list[tuple[str, str]], problem: str) -> None:
    made_ones = tuple(made(name=name, kind="folder", url=url) for name, url in locations)
    with pytest.raises(ValidationError, match=problem):
        Settings(backup_root=Path("/backups"), archive_roots=(Path("/one"),), locations=made_ones)


def test_the_file_writes_them_as_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ledgerflow.toml"
    monkeypatch.setenv("LEDGER_CONFIG", str(file))
    file.write_text(
        '[[locations]]\nname = "far"\nkind = "s3"\nurl = "s3://books"\nobject_lock = "compliance"\n'
    )
    assert config.load().locations == (made(url="s3://books", object_lock="compliance"),)
    file.write_text('[[locations]]\nname = "far"\nkind = "s3"\nurl = "s3://books"\nretention_day = 3\n')
    with pytest.raises(SettingsError, match="did you mean retention_days") as caught:
        config.load()
    assert caught.value.exit_code == 2


def test_a_location_is_opened_as_the_store_of_the_environment(root: Path) -> None:
    location = made(kind="folder", url=str(root / "usb"), rate_limit=5_000)
    store = location_store(location, PROD)
    assert store == LocalStore(root / "usb" / "prod")
    assert isinstance(store, LocalStore)
    assert store.rate == 5_000
    locations = {
        "s3://books/a/b/prod": made(url="s3://books/a/b"),
        "https://s3.example.org/books/prod": made(url="s3://books", endpoint="https://s3.example.org/"),
        "gs://books/a/prod": made(kind="gcs", url="gs://books/a"),
        "https://led.blob.core.windows.net/bkp/prod": made(
            kind="azure", url="https://led.blob.core.windows.net/bkp"
        ),
    }
    assert [location_store(location, PROD).location for location in locations.values()] == list(locations)


def test_a_bucket_is_opened_by_the_rules_of_its_location(root: Path) -> None:
    file = root / "keys"
    bucket = bucket_of(
        made(credentials_file=str(file), region="eu", object_lock="compliance", rate_limit="1MB")
    )
    assert (bucket.credentials, bucket.region) == (CredentialSource(file), "eu")
    assert (bucket.lock, bucket.rate) == ("compliance", 1_000_000)
    assert bucket_of(made(credentials="sdk")).credentials == CredentialSource(sdk=True)
