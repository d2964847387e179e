"""What the doctor says of archive locations in object stores, asked of a real server."""

import os
from pathlib import Path

import pytest

from ledgerflow_ops.core.checks import Check, Severity
from ledgerflow_ops.location_settings import Location
from ledgerflow_ops.operations.monitoring import doctor, settings_checks
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.fakes.object_servers import BUCKET, LOCKED, S3Server


def found(server: S3Server, root: Path, bucket: str, **changed: object) -> list[Check]:
    """The checks of a location in one of the server's buckets."""
    fields = {"endpoint": f"http://127.0.0.1:{server.port}", "credentials_file": str(server.credentials)}
    location = Location.model_validate(
        {"name": "far", "kind": "s3", "url": f"s3://{bucket}/x", "region": "us-east-1", **fields, **changed}
    )
    ctx = builders.env(root, locations=(location,)).ctx
    return [check for check in doctor.examine(ctx, []) if check.name == "archive"]


def test_a_bucket_without_a_lock_is_a_warning_unless_it_is_meant(s3_server: S3Server, root: Path) -> None:
    there, finding = found(s3_server, root, BUCKET)
    assert there.passed
    assert there.message == f"far: http://127.0.0.1:{s3_server.port}/{BUCKET}/x answers"
    assert (finding.passed, finding.severity, finding.cause) == (False, Severity.WARN, "no lock")
    assert "has no Object Lock, but does not keep older versions" in finding.message
    assert 'set object_lock = "off"' in finding.hint
    assert [check.passed for check in found(s3_server, root, BUCKET, object_lock="off")] == [True]


def test_a_bucket_with_a_lock_passes(s3_server: S3Server, root: Path) -> None:
    checks = found(s3_server, root, LOCKED)
    assert [check.message for check in checks if check.passed][1:] == [
        "far: new copies are locked until their retention ends"
    ]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"url": "s3://nobucket"}, "there is no such bucket"),
        ({"endpoint": "http://127.0.0.1:9"}, "no answer from its server"),
        ({"credentials_file": os.devnull}, "no credentials are found"),
    ],
)
def test_what_cannot_be_asked_fails_with_its_reason(
    s3_server: S3Server, root: Path, changed: dict[str, object], message: str
) -> None:
    (finding,) = found(s3_server, root, BUCKET, **changed)
    assert not finding.passed
    assert message in finding.message
    assert finding.hint


def test_a_file_of_credentials_that_others_can_read_is_a_warning(root: Path) -> None:
    file = root / "keys"
    file.write_text("AWS_ACCESS_KEY_ID=x\nAWS_SECRET_ACCESS_KEY=y\n")
    location = Location(name="far", kind="s3", url="s3://books", credentials_file=file)
    for mode, passed in ((0o640, False), (0o600, True)):
        file.chmod(mode)
        ctx = builders.env(root, locations=(location,)).ctx
        checks = list(settings_checks.secret_checks(ctx.settings))
        assert [check.passed for check in checks] == [passed]
    file.chmod(0o644)
    (finding,) = settings_checks.secret_checks(ctx.settings)
    assert f"{file} holds a secret, and other accounts may read" in finding.message
    assert str(finding.hint) == f"Make it private: chmod 600 {file}"
