"""The tests' own Docker engine: a reason is given where it cannot run, and nothing of it is left."""

from pathlib import Path

import psutil
import pytest

from ledgerflow_ops_tests import needs
from ledgerflow_ops_tests.fakes import engine as engines
from ledgerflow_ops_tests.fakes import programs


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine other than CI: a missing program skips the test."""
    needs.root()
    monkeypatch.delenv("CI", raising=False)


def _log(folder: Path) -> str:
    file = folder / "log"
    return file.read_text(errors="replace") if file.exists() else ""


@pytest.mark.usefixtures("elsewhere")
def test_without_a_daemon_that_is_reported(root: Path) -> None:
    with pytest.raises(pytest.skip.Exception, match="there is no /nonexistent/dockerd"):
        engines.engine(daemon="/nonexistent/dockerd").__enter__()


@pytest.mark.usefixtures("elsewhere")
def test_a_daemon_that_does_not_come_up_is_reported_with_its_words_and_nothing_is_left(root: Path) -> None:
    programs.write(root / "dockerd", "echo 'no overlay here' >&2; exit 1")
    children = set(psutil.Process().children(recursive=True))
    with pytest.raises(pytest.skip.Exception, match="does not start here: no overlay here"):
        engines.engine(daemon=str(root / "dockerd")).__enter__()
    assert not [folder for folder in Path("/tmp").glob("lfe-*") if "no overlay" in _log(folder)]
    assert set(psutil.Process().children(recursive=True)) <= children
