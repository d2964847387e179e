"""A page's secret and its one-time links, and the permissions below a state folder."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.services.web_sessions import GOOD_FOR, WebSessions
from ledgerflow_ops.adapters.system import clock, private_files
from ledgerflow_ops.core.errors import LedgerError


@pytest.fixture(params=[0o000, 0o022, 0o077])
def state(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A state folder that does not exist yet, with several umasks."""
    before = os.umask(request.param)
    yield tmp_path / "state"
    os.umask(before)


def modes(folder: Path) -> set[int]:
    return {path.lstat().st_mode & 0o777 for path in folder.rglob("*")}


def test_a_link_is_good_once_and_for_one_page(state: Path) -> None:
    now, sessions, other = clock.now(), WebSessions(state, "webserver"), WebSessions(state, "viewers")
    token = sessions.link(now)
    assert not other.redeem(token, now)
    assert not sessions.redeem(token[::-1], now)
    assert sessions.redeem(token, now)
    assert not sessions.redeem(token, now)


def test_of_many_who_bring_it_at_once_one_gets_in(tmp_path: Path) -> None:
    now, sessions = clock.now(), WebSessions(tmp_path, "webserver")
    with ThreadPoolExecutor(16) as pool:
        for _ in range(20):
            token = sessions.link(now)
            results = [*pool.map(lambda _, token=token: sessions.redeem(token, now), range(16))]
            assert sum(results) == 1


def test_a_link_that_waited_too_long_is_none_and_goes(state: Path) -> None:
    now, sessions = clock.now(), WebSessions(state, "webserver")
    old, older = sessions.link(now), sessions.link(now)
    assert not sessions.redeem(old, now + GOOD_FOR + timedelta(seconds=1))
    assert not sessions.redeem(old, now), "it had its chance"
    later = now + GOOD_FOR * 2
    sessions.link(later)
    assert len([*(state / "servers" / "webserver.links").iterdir()]) == 1
    assert not sessions.redeem(older, now)


def test_no_file_leads_to_the_token_and_none_is_open_to_others(state: Path) -> None:
    now, sessions = clock.now(), WebSessions(state, "webserver")
    token, secret = sessions.link(now), sessions.secret()
    assert secret == sessions.secret()
    assert len(secret) >= 43
    files = [path for path in state.rglob("*") if path.is_file()]
    assert len(files) == 2
    assert not [path for path in files if token in path.name or token in path.read_text()]
    assert modes(state) == {0o700, 0o600}
    assert not state.stat().st_mode & 0o066, "others may pass through, at most"


@pytest.mark.parametrize(
    "text", ["", "[" * 200_000, '{"until": NaN}', '{"until": 9e99, "until": 9e99}', "9e99"]
)
def test_a_link_whose_record_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    now, sessions = clock.now(), WebSessions(tmp_path, "webserver")
    token = sessions.link(now)
    [file] = (tmp_path / "servers" / "webserver.links").iterdir()
    file.write_text(text)
    assert not sessions.redeem(token, now)
    assert sessions.redeem(sessions.link(now), now), "others are not held up"


def test_a_secret_that_is_no_file_of_ours_is_reported_and_not_waited_for(tmp_path: Path) -> None:
    sessions = WebSessions(tmp_path, "webserver")
    private_files.make_private_folder(tmp_path, "servers")
    os.mkfifo(sessions.file)
    with pytest.raises(LedgerError) as caught:
        sessions.secret()
    assert f"rm {sessions.file}" in caught.value.hint
    sessions.file.unlink()
    assert len(sessions.secret()) >= 43


def test_forgetting_ends_what_there_was(state: Path) -> None:
    now, sessions = clock.now(), WebSessions(state, "webserver")
    token, secret = sessions.link(now), sessions.secret()
    sessions.forget()
    assert not sessions.redeem(token, now)
    assert sessions.secret() != secret
    WebSessions(state / "none", "webserver").forget()


def test_what_an_earlier_version_left_open_is_closed_but_for_the_servers(tmp_path: Path) -> None:
    state = tmp_path / "state"
    for folder in ("servers", "dagster/logs", "postgres/drills"):
        (state / folder).mkdir(parents=True)
        (state / folder / "log").write_text("x")
    for path in state.rglob("*"):
        path.chmod(0o777 if path.is_dir() else 0o666)
    stranger = tmp_path / "stranger"
    stranger.write_text("x")
    stranger.chmod(0o644)
    (state / "link").symlink_to(stranger)
    private_files.tighten_permissions(state)
    assert modes(state / "servers") | modes(state / "dagster") == {0o600, 0o700}
    assert modes(state / "postgres") == {0o777, 0o666}, "not ours to judge"
    assert stranger.stat().st_mode & 0o777 == 0o644, "a link leads elsewhere"
