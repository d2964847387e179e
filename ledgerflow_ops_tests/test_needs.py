"""A missing requirement is reported: as a skip on a person's machine, as a failure on CI."""

import pytest

from ledgerflow_ops_tests import needs


def test_a_program_that_is_there_is_found() -> None:
    assert needs.program("no-such-program", "sh").name == "sh"


def test_a_missing_part_skips_the_test_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="there is no no-such-program on the PATH"):
        needs.program("no-such-program")


def test_on_ci_a_missing_part_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="there is no user nobody-of-this-name"):
        needs.account("nobody-of-this-name")
