"""What becomes of a line once it is judged: insured, asked about, recorded, told.

The engine is a small server on a socket that answers as docker's does, and docker a script: what is shown is
what the wrapper does with their answers. `test_protected` does the same with a real engine and real backups.
"""

import contextlib
import json
import os
import pty
import socketserver
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.errors import LedgerError, SettingsError
from ledgerflow_ops.guard import recoverability
from ledgerflow_ops.guard.command_line.parse import parse
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.pipeline import Pipeline

_OURS, _PROD = ({"com.docker.compose.project": f"ledger-{name}"} for name in ("dev", "prod"))
_DATA = "/var/lib/postgresql/data"
_WRAPPER = Path(sys.executable).parent / "ledger_docker"
_LATER = ("later.json", "backups.json")


def _container(name: str, volume: str, labels: dict[str, str]) -> dict[str, Any]:
    mount = {"Type": "volume", "Name": volume, "Destination": _DATA, "RW": True}
    config = {"Image": "postgres:17", "Entrypoint": ["docker-entrypoint.sh"], "Cmd": ["postgres"]}
    return {
        "Id": name[0] * 64, "Name": f"/{name}", "Config": {**config, "Labels": labels}, "HostConfig": {},
        "State": {"Running": True}, "Mounts": [mount],
    }  # fmt: skip


_ANSWERS: dict[str, Any] = {
    "/info": {"ID": "engine", "DockerRootDir": "/srv/engine"},
    "/volumes": {"Volumes": [{"Name": name} for name in ("books", "wiki_db", "plain", "prod_books")]},
    "/containers/json?all=1": [{"Id": "d" * 64}, {"Id": "w" * 64}, {"Id": "p" * 64}],
    f"/containers/{'d' * 64}/json": _container("db", "books", _OURS),
    f"/containers/{'w' * 64}/json": _container("wiki", "wiki_db", {}),
    f"/containers/{'p' * 64}/json": _container("prod-db", "prod_books", _PROD),
}


class _Engine(socketserver.StreamRequestHandler):
    """Answers each request by the table; 404 for what is not in it."""

    def handle(self) -> None:
        while line := self.rfile.readline():
            path = line.split()[1].decode()
            while self.rfile.readline().strip():
                pass
            body = json.dumps(_ANSWERS.get(path)).encode()
            code = 200 if path in _ANSWERS else 404
            self.wfile.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (code, len(body), body))


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The state folder of a machine with that engine; LEDGER_ENV is dev."""
    folder = tmp_path / "state"
    program = tmp_path / "bin/docker"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 1.41\n")
    program.chmod(0o755)
    settings = {
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}", "LEDGER_ENV": "dev",
        "DOCKER_HOST": f"unix://{tmp_path}/s", "LEDGER_STATE_DIR": str(folder),
        "LEDGER_BACKUP_ROOT": str(tmp_path / "backups"), "LEDGER_CONFIG": str(tmp_path / "ledgerflow.toml"),
    }  # fmt: skip
    (tmp_path / "ledgerflow.toml").write_text("")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    for name in ("CONFIRM", "GUARD_BACKUP"):
        monkeypatch.delenv(name, raising=False)
    with socketserver.ThreadingUnixStreamServer(str(tmp_path / "s"), _Engine) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield folder
        server.shutdown()


def decided(line: str) -> bool:
    return Pipeline(parse("docker", line.split())).decide()


def journal(state: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (state / "journal.jsonl").read_text().splitlines()]


def a_dump(state: Path) -> Path:
    """A backup's file, in a folder of its own."""
    dump = state.parent / "backups/dev/b.dump"
    dump.parent.mkdir(parents=True)
    dump.write_text("a backup")
    return dump


def keep_finding(state: Path, dump: Path, age: timedelta, name: str = "backups.json") -> None:
    """What the wrapper keeps when it has looked at a backup of that age."""
    file, folder = dump.stat(), dump.parent.stat()
    finding = {
        "backup": "b.dump", "identifier": "7001", "recovery_point": (clock.now() - age).isoformat(),
        "files": {str(dump): [file.st_ino, file.st_size, file.st_mtime_ns, file.st_mode]},
        "folder": [str(dump.parent), folder.st_mode, folder.st_uid],
    }  # fmt: skip
    (state / "guard").mkdir(parents=True, exist_ok=True)
    (state / "guard" / name).write_text(json.dumps({"dev": finding, "prod": finding}))


def backups_end(state: Path, patch: pytest.MonkeyPatch, how: str) -> None:
    """A machine on which the program that takes a backup only does that; the real one is slow."""
    only = f"if '-c' in sys.orig_argv:\n    {how}\n    os._exit(0)\n"
    (state.parent / "sitecustomize.py").write_text(f"import os, sys\n{only}")
    patch.setenv("PYTHONPATH", str(state.parent))


def at_terminal(line: str, answer: str) -> tuple[int, str]:
    """Type a line at a terminal, and an answer once a question is there; exit code and all that was said."""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(_WRAPPER, [str(_WRAPPER), *line.split()])
    said = b""
    with contextlib.suppress(OSError):  # the end of what a terminal's last program said
        while part := os.read(terminal, 4096):
            said += part
            if said.endswith((b"anything else to stop: ", b"[y/N] ")):
                os.write(terminal, f"{answer}\n".encode())
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said.decode()


class TestConfirmation:
    """In prod the environment's name is typed besides, before what cannot be known."""

    LINE = "exec prod-db somebodys-script"

    @pytest.fixture(autouse=True)
    def insured(self, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        keep_finding(state, a_dump(state), timedelta(minutes=1))
        monkeypatch.setenv("LEDGER_ENV", "prod")

    def test_nobody_is_asked_without_a_terminal(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert not decided(self.LINE)
        said = capsys.readouterr().err
        assert "Type the environment's name" not in said
        assert "type prod when asked, or put CONFIRM=prod before the command." in said

    def test_the_variable_is_enough(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CONFIRM", "prod")
        assert decided(self.LINE)
        monkeypatch.setenv("CONFIRM", "dev")
        assert not decided(self.LINE)

    @pytest.mark.parametrize(("answer", "code"), [("prod", 0), ("yes", 3), ("", 3)])
    def test_the_name_is_typed_at_a_terminal(self, answer: str, code: int) -> None:
        ended, said = at_terminal(self.LINE, answer)
        assert said.count("Type the environment's name to run it, anything else to stop: ") == 1
        assert "\r\n  in prod-db it runs somebodys-script, which may change data\r\n" in said
        assert (ended, "1.41" in said, "refused" in said) == (code, code == 0, code != 0)

    def test_nobody_is_asked_for_what_needs_no_word(self) -> None:
        ended, said = at_terminal("exec prod-db ls", "no")
        assert (ended, said.split()) == (0, ["1.41"])

    @pytest.mark.parametrize(("answer", "code"), [("y", 3), ("YES", 3), ("n", 3), ("", 3)])
    def test_a_missing_backup_is_offered_before_a_known_loss(
        self, answer: str, code: int, state: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With `ask` before what cannot be known as well; `never` offers none."""
        monkeypatch.setenv("LEDGER_ENV", "dev")
        (state / "guard/backups.json").unlink()
        backups_end(state, monkeypatch, "sys.exit('the disk is full')")
        for line, way in (("volume rm books", "auto"), ("exec db somebodys-script", "ask")):
            monkeypatch.setenv("GUARD_BACKUP", way)
            ended, said = at_terminal(line, answer)
            assert said.count("Take and prove one now? [y/N] ") == 1
            assert ("taking and proving a backup of dev" in said) is (answer.lower() in ("y", "yes")), said
            assert ended == code
        monkeypatch.setenv("GUARD_BACKUP", "never")
        assert "Take and prove" not in at_terminal("volume rm books", answer)[1]


class TestInsurance:
    """Nobody is at a terminal here."""

    @pytest.mark.parametrize("way", ["never", "ask"])
    def test_no_backup_is_taken_where_none_is_wanted(
        self, way: str, state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("GUARD_BACKUP", way)
        assert not decided("exec db somebodys-script")
        said = capsys.readouterr().err
        assert said.startswith("ledger_docker: refused. In db it runs somebodys-script, which may change")
        assert "and dev has no proven backup." in said
        assert said.endswith("hint: LEDGER_ENV=dev make backup\n")
        assert journal(state)[-1]["verdict"] == "refused"

    @pytest.mark.parametrize("way", ["auto", ""])
    def test_one_is_taken_before_what_cannot_be_known(
        self, way: str, state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("GUARD_BACKUP", way)
        keep_finding(state, a_dump(state), timedelta(minutes=1), _LATER[0])
        rename = f"os.chdir({str(state / 'guard')!r}); os.rename(*{_LATER!r})"
        backups_end(state, monkeypatch, rename)
        assert decided("exec db somebodys-script")
        said = capsys.readouterr().err.splitlines()
        assert said[0].endswith("may change data, and dev has no proven backup.")
        assert said[1:] == ["ledger_docker: taking and proving a backup of dev first …"]
        assert journal(state)[-1]["verdict"] == "allowed"

    def test_one_that_cannot_be_taken_stops_the_line(
        self, state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        backups_end(state, monkeypatch, "sys.exit('the disk is full')")
        assert not decided("exec db somebodys-script")
        said = capsys.readouterr().err
        assert (
            "the disk is full\nhint: LEDGER_ENV=dev make backup shows more.\nledger_docker: refused." in said
        )
        assert journal(state)[-1]["verdict"] == "refused"

    def test_none_is_taken_unasked_before_a_known_loss(
        self, state: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert not decided("volume rm books")
        said = capsys.readouterr().err
        assert "taking and proving" not in said
        assert "dev has no proven backup" in said
        assert "at stake" not in said, "the reason says it"
        assert state.is_dir()

    def test_every_loss_is_named_once(self, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert not decided("run -v books:/x --privileged alpine")
        said = capsys.readouterr().err
        assert said.count("it mounts the volume books") + said.count("It mounts the volume books") == 1
        assert said.count("is not confined") == 1
        assert state.is_dir()

    @pytest.mark.usefixtures("state")
    def test_a_way_that_is_not_known(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GUARD_BACKUP", "maybe")
        with pytest.raises(SettingsError) as raised:
            decided("exec db somebodys-script")
        assert str(raised.value.hint) == "Use one of: auto, ask, never."
        assert decided("exec db ls"), "it matters only where a backup is missing"


class TestExplaining:
    """--explain tells the verdict, and takes, asks and records nothing."""

    @pytest.mark.parametrize(
        ("line", "code", "lines"),
        [
            ("volume rm books", 3, [
                "examined   4 volumes and 3 containers in /srv/engine",
                "protected  books: the PostgreSQL in db keeps its data in it",
                "destroys   it removes the volume books (the PostgreSQL in db",
                "verdict    refused: It removes the volume books (", "hint       LEDGER_ENV=dev make backup",
            ]),
            ("exec db somebodys-script", 0, [
                "about      dev, by the container db", "uncertain  in db it runs somebodys-script",
                "verdict    to be insured: In db it runs somebodys", "hint       LEDGER_ENV=dev make backup",
            ]),
            ("volume rm plain", 0, [
                "read as    volume rm", "           plain", "verdict    allowed: does not change protected",
            ]),
            ("images --format x", 0, [
                "read as    image ls", "examined   nothing: this command never changes data",
                "verdict    allowed: image ls never changes data",
            ]),
            ("volume rm --help", 0, ["read as    help", "verdict    allowed: help never changes data"]),
            ("frob x", 0, ["read as    frob (docker frob is not a known command)"]),
            ("rm --frob db", 3, ["read as    rm (the option --frob is unknown)", "hint       Write it as"]),
            ("compose -f - -p ledger-dev up", 3, [
                "           the project ledger-dev, whose file could not be read: the compose file comes",
                "hint       Write it as",
            ]),
        ],
    )  # fmt: skip
    def test_it_tells_what_was_found_out(
        self, line: str, code: int, lines: list[str], state: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert Pipeline(parse("docker", line.split())).explain() == code
        said = capsys.readouterr().out
        assert f"typed      docker {line}\n" in said
        assert [text for text in lines if not any(one.startswith(text) for one in said.splitlines())] == []
        assert ("\nhint  " in said) is any(text.startswith("hint") for text in lines)
        assert not state.exists()


class TestRecord:
    def test_a_line_that_could_change_data_is_not_run_unrecorded(
        self, state: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        state.write_text("")
        assert decided("volume rm plain")
        assert "not recorded in the journal" in capsys.readouterr().err
        assert not decided("volume rm books"), "a refusal needs no record"
        assert "refused" in capsys.readouterr().err

    def test_a_postgresqls_volumes_are_recorded_with_their_environments(self, state: Path) -> None:
        decided("volume rm plain")
        known = json.loads((state / "guard/volumes.json").read_text())
        assert known == {"engine": {"books": "dev", "wiki_db": "", "prod_books": "prod"}}


class TestSettings:
    """A mistake in the settings blocks nobody, and protects what labels, mounts and records do."""

    @pytest.mark.parametrize("text", ["[guard", "guard = 7\n", "[guard]\nfresh_minutes = 'x'\n"])
    def test_it_is_said_in_one_line(self, text: str, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = Path(os.environ["LEDGER_CONFIG"])
        file.write_text(text)
        assert decided("volume rm plain")
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"ledger_docker: the settings are left out, for they cannot be read: {file}: ")
        assert not decided("volume rm books")
        assert journal(state)[-1]["verdict"] == "refused"

    @pytest.mark.usefixtures("state")
    def test_nothing_is_said_without_one(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert decided("volume rm plain")
        assert capsys.readouterr().err == ""

    @pytest.mark.usefixtures("state")
    def test_another_projects_loss_is_mentioned(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert decided("volume rm wiki_db")
        said = capsys.readouterr().err
        assert said.startswith("ledger_docker: note: it removes the volume wiki_db")
        assert said.count("\n") == 1
        assert decided("exec wiki dropdb x")

    @pytest.mark.usefixtures("state")
    def test_a_known_loss_of_ours_is_not_mentioned_beside(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert not decided("volume rm books wiki_db")
        assert "note:" not in capsys.readouterr().err

    @pytest.mark.usefixtures("state")
    def test_no_backup_can_be_looked_for_with_it(self, capsys: pytest.CaptureFixture[str]) -> None:
        Path(os.environ["LEDGER_CONFIG"]).write_text("[guard")
        assert not decided("exec db somebodys-script")
        assert "no backup can be looked for: " in capsys.readouterr().err


class TestLastFinding:
    """What was found out about a backup holds while its files and their folder are the same ones."""

    @pytest.fixture
    def found(self, state: Path) -> Path:
        """A finding about a backup of ten minutes ago; returns the backup's file."""
        dump = a_dump(state)
        keep_finding(state, dump, timedelta(minutes=10))
        return dump

    @staticmethod
    def newest(enough: timedelta | None = timedelta(hours=1)) -> str:
        return recoverability.newest("dev", Scene(), [], enough).backup

    def test_it_is_enough_at_its_age(self, found: Path) -> None:
        assert found.exists()
        assert self.newest() == "b.dump"
        assert self.newest(timedelta(minutes=9)) == ""
        assert self.newest(None) == "", "a known loss looks into the catalog"

    def test_not_once_a_file_or_the_folder_differs(self, found: Path) -> None:
        found.write_text("another backup")
        assert self.newest() == ""

    def test_not_once_others_could_write_there(self, found: Path) -> None:
        found.parent.chmod(0o777)
        assert self.newest() == ""

    def test_not_from_the_future(self, state: Path, found: Path) -> None:
        keep_finding(state, found, timedelta(minutes=-4))
        assert self.newest() == "b.dump"
        keep_finding(state, found, timedelta(minutes=-6))
        assert self.newest() == ""

    def test_what_cannot_be_read_is_no_finding(self, state: Path, found: Path) -> None:
        for text in ("{", "[]", '{"dev": 7}', '{"dev": {"folder": []}}'):
            (state / "guard/backups.json").write_text(text)
            assert self.newest() == ""
        assert found.exists()

    def test_it_insures_a_line(self, found: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GUARD_BACKUP", "never")
        assert decided("exec db somebodys-script")
        found.unlink()
        assert not decided("exec db somebodys-script")

    def test_it_insures_no_other_environments_line(
        self, found: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("LEDGER_ENV", "test")
        assert not decided("exec db somebodys-script")
        assert "LEDGER_ENV is test, but this is dev's" in capsys.readouterr().err
        assert found.exists()


def test_an_engine_that_does_not_answer(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{state}/none")
    assert not decided("volume rm plain")
    assert "the engine does not answer" in capsys.readouterr().err
    monkeypatch.setenv("PATH", str(state))
    with pytest.raises(LedgerError, match="no real docker"):
        decided("volume rm plain")
