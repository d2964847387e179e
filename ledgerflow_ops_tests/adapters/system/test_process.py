"""Running programs, and their errors."""

import io
import os
import sys
import time
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.adapters.system.process import Account, mask_secrets
from ledgerflow_ops.core.errors import CannotJudge, LedgerError
from ledgerflow_ops_tests import needs
from ledgerflow_ops_tests.fakes import programs, sandboxes

ODD = ["s3cr3t", "s3:cr3t", "s3@cr3t", "s3/cr3t", "s3%40cr3t", "s3'cr3t", 's3"cr3t', "s3#cr3t?", "@s3cr3t:"]


def _parts(password: str) -> list[str]:
    return [part for part in ("s3", "cr3t") if part in password]


@pytest.mark.parametrize("password", ODD)
@pytest.mark.parametrize(
    "scheme", ["postgresql", "postgres", "postgresql+psycopg2", "POSTGRESQL", "https", "redis"]
)
def test_a_password_in_a_url_is_masked(scheme: str, password: str) -> None:
    masked = mask_secrets(f'could not open "{scheme}://user:{password}@host:5432/books", really')
    assert not [part for part in _parts(password) if part in masked]
    assert "***@host:5432/books" in masked
    assert f"{scheme}://user:" in masked


@pytest.mark.parametrize("password", [*ODD, "s3 cr3t", "s3\\cr3t", "s3\\' cr3t", "' s3cr3t", "s3=cr3t"])
def test_a_password_in_a_connection_string_is_masked(password: str) -> None:
    masked = mask_secrets(make_conninfo(host="h", password=password, dbname="books"))
    assert not [part for part in _parts(password) if part in masked]
    assert "host=h" in masked
    assert "dbname=books" in masked


def test_programs_have_an_empty_home_during_the_block(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = ("HOME", "SSH_AUTH_SOCK", "GNUPGHOME", "GPG_AGENT_INFO", "XDG_CONFIG_HOME", "PGPASSFILE")
    for name in own:
        monkeypatch.setenv(name, str(tmp_path / "own"))
    monkeypatch.setenv("LEDGERFLOW_KEPT", "kept")
    with process.empty_home() as home:
        inside = process.run(["env"]).out.decode().splitlines()
        assert (list(home.iterdir()), home.stat().st_mode & 0o777) == ([], 0o700)
        process.run(["sh", "-c", 'echo left > "$HOME/file"'])
    assert not home.exists()
    assert {f"HOME={home}", "LEDGERFLOW_KEPT=kept"} <= {*inside}
    assert not [line for line in inside if str(tmp_path / "own") in line]
    after = process.run(["env"]).out.decode().splitlines()
    assert {f"{name}={tmp_path / 'own'}" for name in own} <= {*after}


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\n\r"), min_size=1))
def test_what_follows_a_password_in_a_connection_string_is_kept(password: str) -> None:
    marked = f"s3cr3t{password}s3cr3t"
    masked = mask_secrets(make_conninfo(password=marked, dbname="books"))
    assert "s3cr3t" not in masked
    assert "dbname=books" in masked


@pytest.mark.parametrize(
    "text",
    [
        "password = s3cr3t",
        "PASSWORD='s3cr3t'",
        "passwd=s3cr3t",
        "sslpassword=s3cr3t",
        "password=s3\\ cr3t",
        "postgresql:///books?user=u&password=s3cr3t",
        "PGPASSWORD=s3cr3t pg_dump",
        "CREATE USER MAPPING FOR u SERVER s OPTIONS (user 'u', password 's3''cr3t')",
        "ALTER ROLE u PASSWORD 's3 cr3t'",
        "postgresql://:s3cr3t@host/books",
        "one postgresql://u:s3cr3t@h/a and postgresql://u:s3cr3t@h/b",
    ],
)
def test_passwords_are_masked_wherever_they_stand(text: str) -> None:
    masked = mask_secrets(text)
    assert "s3" not in masked
    assert "cr3t" not in masked
    assert "***" in masked


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://user@host:5432/books",
        "http://127.0.0.1:3000/runs",
        'password authentication failed for user "ledger"',
        "host=h dbname=books",
    ],
)
def test_what_holds_no_password_is_left_as_it_is(text: str) -> None:
    assert mask_secrets(text) == text


def test_no_postgresql_setting_of_the_caller_reaches_a_program_but_the_password_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("PGHOST", "PGOPTIONS", "PGPASSWORD", "PGSERVICE", "PGDATABASE", "PGSYSCONFDIR"):
        monkeypatch.setenv(name, "the caller's")
    monkeypatch.setenv("PGPASSFILE", "/a/pgpass")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("PAGER", "less")
    finished = process.run(["env", "-0"], extra={"PGPORT": "5433"})
    seen = dict(entry.split("=", 1) for entry in finished.out.decode().split("\0") if entry)
    assert {name: value for name, value in seen.items() if name.startswith("PG")} == {
        "PGPASSFILE": "/a/pgpass",
        "PGPORT": "5433",
    }
    assert (seen["LC_ALL"], seen["PAGER"]) == ("C", "less")


def test_a_program_ends_with_its_output_its_errors_and_its_code(root: Path) -> None:
    programs.write(root / "program", 'echo "$1"; echo wrong >&2; exit 3')
    finished = process.run([root / "program", "a b  c"])
    assert finished == process.Finished(3, b"a b  c\n", "wrong\n")


def test_a_program_that_cannot_be_started_is_reported_by_name(root: Path) -> None:
    (root / "text").write_text("no program")
    for program in (root / "nowhere", root / "text"):
        with pytest.raises(LedgerError, match=f"{program.name} could not be started"):
            process.run([program])


def test_a_program_that_ignores_its_time_limit_is_killed_with_all_it_started(root: Path) -> None:
    programs.write(
        root / "deaf", f"trap '' TERM INT HUP; sleep 60 & echo $! $$ > {root}/pids; while :; do wait; done"
    )
    begun = time.monotonic()
    with pytest.raises(CannotJudge, match=r"deaf did not end within 1 s\."):
        process.run([root / "deaf"], timeout=1)
    assert time.monotonic() - begun < 10
    pids = [int(word) for word in (root / "pids").read_text().split()]
    assert sandboxes.wait_until(lambda: all(map(_is_gone, pids)))


def _is_gone(pid: int) -> bool:
    """A killed process may be visible for a moment, until the kernel has removed it."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_program_is_stopped_twice_without_harm() -> None:
    child = process.start_program(["sleep", "60"], extra={})
    process.stop(child)
    process.stop(child)
    assert process.describe_exit(child.returncode) == "killed by SIGKILL"
    assert process.describe_exit(3) == "exit code 3"


def test_a_program_runs_as_the_account_and_in_none_of_our_groups() -> None:
    needs.root()
    nobody = needs.account("nobody")
    finished = process.run(
        ["sh", "-c", "id -u; id -G"], account=Account(nobody.pw_uid, nobody.pw_gid, "nobody"), cwd="/"
    )
    assert finished.out.decode().split("\n")[:2] == [str(nobody.pw_uid), str(nobody.pw_gid)]


def test_a_program_cannot_ask_the_terminal() -> None:
    finished = process.run(["sh", "-c", "cat; ps -o sid= -p $$; exec 3</dev/tty"])
    assert finished.code != 0
    assert finished.out.decode().strip() != str(os.getsid(0))


def test_an_error_tail_holds_the_last_lines_masked() -> None:
    text = "\n".join(f"line {number}\n" for number in range(50)) + "\nat postgresql://u:s3cr3t@h/b\n\n"
    lines = process.last_lines(text).splitlines()
    assert lines[-2:] == ["  line 49", "  at postgresql://u:***@h/b"]
    assert len(lines) == 12
    assert process.last_lines("") == ""


@pytest.mark.parametrize("buffered", [True, False])
def test_only_the_end_of_a_flood_of_errors_is_kept(buffered: bool) -> None:
    flood = b"".join(b"line %d\n" % number for number in range(50_000))
    raw = io.BytesIO(flood)
    kept = bytearray()
    process.drain_stream(io.BufferedReader(raw) if buffered else raw, kept)
    assert len(kept) == 64 * 1024
    assert flood.endswith(kept)


_LEFT = """
import os, subprocess, sys, time
from ledgerflow_ops.adapters.system import process
unborn = os.fork()  # as a program is before it has taken our place
if not unborn:
    time.sleep(600)
lost = process.start_program(["sh", "-c", "sleep 600; true"], extra={}, stdin=subprocess.DEVNULL)
theirs = subprocess.Popen(["sleep", "0.2"])  # in our own session: not started by us as a tool
process.kill_all()
print(lost.wait(timeout=10), theirs.wait(timeout=10), os.waitpid(unborn, 0)[1])
"""


def test_what_an_interruption_has_left_behind_is_ended() -> None:
    finished = process.run([sys.executable, "-c", _LEFT], timeout=30)
    assert (finished.out, finished.errors) == (b"-9 0 9\n", "")
