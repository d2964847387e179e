"""Where a clone's source is published."""

import subprocess
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.system.git_clone import published_source


def clone(folder: Path, url: str) -> Path:
    """A repository with a commit and this origin."""
    folder.mkdir()
    for words in (
        ["init", "-q", "-b", "main"],
        ["config", "user.email", "a@example.com"],
        ["config", "user.name", "a"],
        ["commit", "-q", "--allow-empty", "-m", "first"],
        *([["remote", "add", "origin", url]] if url else []),
        ["remote", "add", "other", "https://github.com/somebody/else"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/owner/name",
        "https://github.com/owner/name.git",
        "https://user:secret@github.com/owner/name.git",
        "git@github.com:owner/name.git",
        "ssh://git@github.com/owner/name.git",
    ],
)
def test_of_github(tmp_path: Path, url: str) -> None:
    assert published_source(clone(tmp_path / "a", url)) == ("https://github.com/owner/name", "main")


def test_of_gitlab_with_groups(tmp_path: Path) -> None:
    folder = clone(tmp_path / "a", "git@gitlab.com:group/sub/name.git")
    assert published_source(folder) == ("https://gitlab.com/group/sub/name", "main")


def test_in_a_worktree(tmp_path: Path) -> None:
    folder = clone(tmp_path / "a", "https://github.com/owner/name")
    command = ["git", "worktree", "add", "-q", "-b", "feature/x", str(tmp_path / "b")]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    assert published_source(tmp_path / "b") == ("https://github.com/owner/name", "feature/x")


@pytest.mark.parametrize("url", ["", "/srv/git/name.git", "https://git.example.com/owner/name"])
def test_from_elsewhere(tmp_path: Path, url: str) -> None:
    assert published_source(clone(tmp_path / "a", url)) is None


def test_of_a_folder_that_is_no_clone(tmp_path: Path) -> None:
    assert published_source(tmp_path) is None
