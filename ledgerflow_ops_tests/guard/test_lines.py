"""Lines that people type, on an engine with LedgerFlow and its neighbours: what becomes of each.

`lines.tsv`: the verdict that is due, a group, LEDGER_ENV, the folder, the line, more variables. What loses
data is refused or insured by a backup; what a day's work is made of is allowed or insured, and in an
unrelated project allowed. There is no backup here: what is not `allowed` would not have been run.
"""

import json
import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledgerflow_ops.guard import quick
from ledgerflow_ops.guard.command_line.parse import parse
from ledgerflow_ops.guard.permit import Answer, Verdict
from ledgerflow_ops.guard.pipeline import Pipeline
from ledgerflow_ops_tests.fakes import neighbours
from ledgerflow_ops_tests.fakes.engine import Engine
from ledgerflow_ops_tests.fakes.neighbours import Neighbourhood


@dataclass(frozen=True)
class Typed:
    """One line of the table."""

    due: str
    group: str
    environment: str
    folder: str
    line: str
    variables: str = ""

    @property
    def words(self) -> list[str]:
        return shlex.split(self.line)


def lines(file: str) -> list[Typed]:
    """The lines of a table beside this module."""
    rows = Path(__file__).with_name(file).read_text(encoding="utf-8").splitlines()
    return [Typed(*[*row.split("\t"), ""][:6]) for row in rows[1:]]


LINES, HELD_OUT = lines("lines.tsv"), lines("held_out.tsv")


@pytest.fixture(scope="module")
def hood(engine: Engine, session_root: Path) -> Iterator[Neighbourhood]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in engine.environment().items():
            patch.setenv(name, value)
        yield neighbours.build(engine, session_root / "hood")
    engine.clear()


def verdict_on(typed: Typed, hood: Neighbourhood, patch: pytest.MonkeyPatch) -> Verdict:
    """The verdict, asked in this process."""
    variables = {"LEDGER_ENV": typed.environment, **(json.loads(typed.variables) if typed.variables else {})}
    ours = {"LEDGER_STATE_DIR": hood.folder / "state", "LEDGER_BACKUP_ROOT": hood.folder / "kept/backups"}
    for name, value in {**variables, **ours}.items():
        patch.setenv(name, str(value)) if value else patch.delenv(name, raising=False)
    patch.chdir(hood.folder / typed.folder)
    if quick.only_reads(typed.words):
        return Verdict(Answer.PASS, "it only reads")
    return Pipeline(parse("docker", typed.words)).judged()[2]


@pytest.fixture
def nothing_to_read(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Standard input as a pipe that is open: something may come out of it."""
    read, write = os.pipe()
    kept = os.dup(0)
    os.dup2(read, 0)
    yield
    os.dup2(kept, 0)
    for descriptor in (read, write, kept):
        os.close(descriptor)


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_to_read")
def test_what_loses_data_is_refused_or_insured(hood: Neighbourhood, monkeypatch: pytest.MonkeyPatch) -> None:
    losing = [typed for typed in LINES if typed.due.startswith("block")]
    assert len(losing) > 200
    found = {typed.line: verdict_on(typed, hood, monkeypatch) for typed in losing}
    assert not {line: verdict.reason for line, verdict in found.items() if verdict.allowed}
    assert all(verdict.hint for verdict in found.values())


@pytest.mark.slow
def test_a_days_work_is_allowed_or_insured(hood: Neighbourhood, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong, insured = {}, 0
    everyday = [typed for typed in LINES if typed.due == "allow"]
    for typed in everyday:
        verdict = verdict_on(typed, hood, monkeypatch)
        ours = typed.group.startswith("lf")
        insured += verdict.answer is Answer.INSURE
        if verdict.answer is Answer.REFUSE or (not ours and not verdict.allowed):
            wrong[f"{typed.environment} {typed.folder}: {typed.line}"] = verdict.reason
    assert len(everyday) > 300
    assert wrong == {}
    assert insured < 30


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_to_read")
def test_lines_that_were_kept_back(hood: Neighbourhood, monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of Makefiles, scripts and issues of public projects, with LedgerFlow's names for theirs.

    They were gathered before the rules were judged by them; the last column says where each is from.
    """
    found = [(typed, verdict_on(typed, hood, monkeypatch)) for typed in HELD_OUT]
    lost = {
        typed.line: verdict.reason for typed, verdict in found if typed.due == "block" and verdict.allowed
    }
    false = {
        typed.line: verdict.reason
        for typed, verdict in found
        if typed.due == "allow"
        and (verdict.answer is Answer.REFUSE or (typed.group == "un" and not verdict.allowed))
    }
    assert (lost, false) == ({}, {})
    assert [sum(typed.due == due for typed in HELD_OUT) for due in ("block", "allow")] == [68, 95]


class TestReach:
    """What joins a database is judged, wherever it comes from."""

    @pytest.mark.parametrize("environment", ["", "dev"])
    @pytest.mark.parametrize("line", ["compose up", "compose up -d", "compose create", "compose run --rm a"])
    def test_an_unrelated_project_in_the_databases_network_namespace(
        self, line: str, environment: str, hood: Neighbourhood, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        verdict = verdict_on(Typed("", "", environment, "e_psql", line), hood, monkeypatch)
        assert verdict.answer is Answer.REFUSE
        assert "drops table books" in " ".join(verdict.losses)

    def test_it_does_really_drop_the_table(self, hood: Neighbourhood, engine: Engine) -> None:
        engine.docker("compose", "up", cwd=hood.folder / "e_psql")
        assert hood.dev.psql("SELECT to_regclass('books') IS NULL") == "t"
        engine.docker("compose", "down", cwd=hood.folder / "e_psql")
        hood.dev.psql("CREATE TABLE books (id int); INSERT INTO books SELECT generate_series(1, 100)")

    def test_another_postgresql_is_mentioned_and_not_protected(
        self, hood: Neighbourhood, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        typed = Typed("", "", "", "wiki", "compose down -v")
        assert verdict_on(typed, hood, monkeypatch).allowed
        assert Pipeline(parse("docker", typed.words)).decide()
        said = capsys.readouterr().err
        assert "note: it removes the volume wiki_db" in said
        assert "not LedgerFlow's, so it is not protected" in said

    def test_unless_the_settings_protect_every_postgresql(
        self, hood: Neighbourhood, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        file = tmp_path / "ledgerflow.toml"
        file.write_text("[guard]\nprotect_every_postgres = true\n")
        monkeypatch.setenv("LEDGER_CONFIG", str(file))
        verdict = verdict_on(Typed("", "", "", "wiki", "compose down -v"), hood, monkeypatch)
        assert verdict.answer is Answer.REFUSE

    def test_a_volume_that_settings_name_is_protected(
        self, hood: Neighbourhood, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        file = tmp_path / "ledgerflow.toml"
        file.write_text('[guard]\nvolumes = ["scratch"]\n')
        typed = Typed("", "", "", "shop", "volume rm scratch")
        assert verdict_on(typed, hood, monkeypatch).allowed
        monkeypatch.setenv("LEDGER_CONFIG", str(file))
        assert verdict_on(typed, hood, monkeypatch).answer is Answer.REFUSE

    @pytest.mark.parametrize(
        "text", ["[guard", "guard = 7\n", "[guard]\nvolumes = 3\n", '[guard]\nfresh_minutes = "x"\n']
    )
    def test_a_mistake_in_the_settings_blocks_nobody(
        self, text: str, hood: Neighbourhood, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        file = tmp_path / "ledgerflow.toml"
        file.write_text(text)
        monkeypatch.setenv("LEDGER_CONFIG", str(file))
        assert verdict_on(Typed("", "", "", "shop", "compose up -d"), hood, monkeypatch).allowed
        assert Pipeline(parse("docker", ["volume", "create", "more"])).decide()
        assert str(file) in capsys.readouterr().err
        removing = Typed("", "", "dev", "ledger-dev", f"volume rm {hood.dev.volume}")
        assert verdict_on(removing, hood, monkeypatch).answer is Answer.REFUSE

    def test_the_output_that_a_bake_file_names(
        self, hood: Neighbourhood, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """buildx says itself where it would write: a plugin of its name prints that."""
        folder = hood.folder / "kept/backups/dev"
        plugin = engine.folder / "config/cli-plugins/docker-buildx"
        asked = json.dumps({"SchemaVersion": "0.1.0", "Vendor": "x", "Version": "v0.1"})
        printed = json.dumps({"target": {"a": {"output": [f"type=local,dest={folder}"]}}})
        plugin.write_text(
            f"#!{sys.executable}\nimport sys\n"
            f"print({asked!r} if 'docker-cli-plugin-metadata' in sys.argv else {printed!r})\n"
        )
        plugin.chmod(0o755)
        try:
            verdict = verdict_on(Typed("", "", "", "shop", "buildx bake"), hood, monkeypatch)
        finally:
            plugin.unlink()
        assert verdict.answer is Answer.REFUSE
        assert "backups and their proofs are there" in " ".join(verdict.losses)
        words = f"buildx bake --set *.output=type=local,dest={folder}"
        assert not verdict_on(Typed("", "", "", "shop", words), hood, monkeypatch).allowed

    def test_an_engine_that_is_asked_through_dockers_own_connection(
        self, hood: Neighbourhood, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By a context: only docker knows where that leads."""
        engine.docker("context", "create", "alt", "--docker", f"host={engine.host}")
        try:
            for line, allowed in (
                (f"-c alt volume rm {hood.dev.volume}", False),
                ("-c alt volume rm scratch", True),
            ):
                typed = Typed("", "", "dev", "shop", line, json.dumps({"DOCKER_HOST": None}))
                assert verdict_on(typed, hood, monkeypatch).allowed is allowed
        finally:
            engine.docker("context", "rm", "-f", "alt")

    def test_what_removes_no_data_today_is_let_through(
        self, hood: Neighbourhood, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It rests on docker's keeping of named volumes, and of all that a container mounts."""
        project = f"compose -p {hood.dev.name} -f {hood.dev.file.name} --env-file {hood.dev.env_file.name}"
        before = hood.dev.psql("SELECT count(*) FROM books")
        for line in (f"{project} rm -fsv postgres", "system prune -f", "volume prune -f"):
            hood.dev.up()
            assert verdict_on(Typed("", "", "dev", "ledger-dev", line), hood, monkeypatch).allowed, line
            engine.docker(*line.split(), cwd=hood.dev.folder)
        hood.dev.up()
        assert hood.dev.psql("SELECT count(*) FROM books") == before
