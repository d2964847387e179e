"""Where the project's source is published, read from its clone. Starts no program."""

import re
from pathlib import Path

_REMOTE = re.compile(r'\[remote "origin"\]\s(?:[^\[]*\s)?url\s*=\s*(\S+)')
_PUBLISHED = re.compile(r"(?:https://(?:[^/@]+@)?|ssh://git@|git@)(git(?:hub|lab)\.com)[:/](.+?)(?:\.git)?/?")


def published_source(project: Path) -> tuple[str, str] | None:
    """The web address of the clone's origin and the branch or commit that is checked out.

    None for a clone from elsewhere than GitHub or GitLab, and for a folder that is no clone. Credentials in
    the address are left out.
    """
    try:
        folder, common = _git_folders(project)
        config, head = (common / "config").read_text(), (folder / "HEAD").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
    remote = _REMOTE.search(config)
    published = _PUBLISHED.fullmatch(remote[1]) if remote else None
    if published is None:
        return None
    return f"https://{published[1]}/{published[2]}", head.removeprefix("ref: refs/heads/")


def _git_folders(project: Path) -> tuple[Path, Path]:
    """The folder with HEAD, and the one with the configuration, which differ in a worktree."""
    folder = project / ".git"
    if folder.is_dir():
        return folder, folder
    folder = project / folder.read_text().removeprefix("gitdir: ").strip()
    return folder, folder / (folder / "commondir").read_text().strip()
