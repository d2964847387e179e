"""Backups damaged between pg_dump and the file: a damaged one is not kept, or not called good.

A false pg_dump runs the real one and damages what it writes. Where a backup is made of it all the same,
an oracle that shares nothing with the product but PostgreSQL itself says whether it is the source.
"""

import queue
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledgerflow_ops.adapters.cluster.server_home import make_server_home
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops_tests import damage, damage_matrix, databases, oracle
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.damage_matrix import DamageMatrix
from ledgerflow_ops_tests.fakes import sandboxes
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox
from ledgerflow_ops_tests.hypothesis_profiles import times
from ledgerflow_ops_tests.oracle import Oracle

COMPRESSIONS = {"gzip": "gzip:6", "zstd": "zstd:1", "lz4": "lz4", "uncompressed": "none"}
HARMS = {
    "a flipped bit": 4,
    "another digit": 3,
    "a zeroed block": 2,
    "swapped blocks": 2,
    "truncated": 2,
    "talked into": 1,
    "CRLF": 1,
    "recoded": 1,
    "0 bytes": 1,
}
"""How often each is tried with each compression; by hypothesis's profile `wild` five times as often."""
LEFT_OUT = {
    "a table's data": ["--exclude-table-data=public.profiles_journalline"],
    "a small table's data": ["--exclude-table-data=public.auth_group"],
    "all data": ["--schema-only"],
    "all DDL": ["--data-only"],
    "a table": ["--exclude-table=public.django_session"],
    "large objects": ["--no-large-objects"],
    "grants": ["--no-privileges"],
    "comments": ["--no-comments"],
    "indexes and keys": ["--section=pre-data", "--section=data"],
}
SHALLOW = {"a flipped bit": 2, "another digit": 1}

FULL = DamageMatrix("Between pg_dump and the file, sealed in full")
COUNTED = DamageMatrix("Between pg_dump and the file, sealed by counts and sums, as large databases are")


@dataclass(frozen=True)
class Lane:
    """One of several roots where backups run at the same time, each with its own falsified tools."""

    sandbox: Sandbox
    tools: Path

    def clean(self) -> EnvironmentContext:
        """The environment with nothing in its folder, as the real tools see it."""
        env = self.sandbox.env()
        for file in backup_folder_of(env).path.iterdir() if backup_folder_of(env).path.exists() else ():
            file.unlink()
        return env

    def backup(self, plan: dict[str, Any], **fields: Any) -> Manifest:
        """A backup by the false tools, which must have done what was planned."""
        damage.plan(self.tools, **plan)
        try:
            return backup.backup(sandboxes.with_settings(self.sandbox.env(**fields), tools_dir=self.tools))
        finally:
            assert damage.fired(self.tools), "nothing was damaged"


@dataclass(frozen=True)
class Flight:
    """All that the tests of this module share."""

    lanes: "queue.Queue[Lane]"
    oracle: Oracle
    books: Database


@pytest.fixture(scope="module", autouse=True)
def told(request: pytest.FixtureRequest) -> Iterator[None]:
    with damage_matrix.print_at_end(request, FULL, COUNTED):
        yield


@pytest.fixture(scope="module")
def flight(session_root: Path, embedded: EmbeddedPostgres) -> Iterator[Flight]:
    with (
        sandboxes.temporary_folder(session_root) as root,
        databases.temporary_roles(embedded.start(), "flight_clerk"),
        sandboxes.sample_copy(embedded) as books,
    ):
        databases.run_statements(
            books,
            # A scan large enough to be hit: no digest of a table covers it.
            "SELECT lo_from_bytea(0, string_agg(decode(md5(i::text), 'hex'), ''))"
            " FROM generate_series(1, 12000) AS i",
            # What no seal contains, and what it compares without casts.
            "CREATE EXTENSION postgres_fdw",
            "CREATE SERVER bank FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'right.example')",
            "CREATE VIEW rounded AS SELECT (1.005::numeric(6, 4))::text AS amount",
            "ALTER ROLE flight_clerk SET work_mem = '64MB'",
        )
        lanes: queue.Queue[Lane] = queue.Queue()
        for number in (1, 2):
            lane = Lane(Sandbox(root / f"{number}", books), root / f"tools{number}")
            lane.sandbox.root.mkdir(mode=0o711)
            damage.falsify(lane.tools, client_tools.bundled_tools().folder)
            lanes.put(lane)
        with oracle.oracle(
            make_server_home(root / "oracle"), client_tools.bundled_tools(), books, root
        ) as found:
            yield Flight(lanes, found, books)


def in_flight(
    flight: Flight, into: DamageMatrix, cases: list[tuple[str, dict[str, Any]]], **fields: Any
) -> None:
    """Try every case, two at a time; AssertionErrors come out as they are."""

    def one(case: tuple[str, dict[str, Any]]) -> None:
        lane = flight.lanes.get()
        try:
            into.add(case[0], caught(flight, lane, case[1], **fields))
        finally:
            flight.lanes.put(lane)

    with ThreadPoolExecutor(flight.lanes.qsize()) as pool:
        list(pool.map(one, cases))


def tried(lane: Lane, plan: dict[str, Any], **fields: Any) -> Manifest | LedgerError:
    """The backup, or why there is none."""
    try:
        return lane.backup(plan, **fields)
    except LedgerError as error:
        return error


def caught(flight: Flight, lane: Lane, plan: dict[str, Any], **fields: Any) -> str:
    """What caught this damage. Fails the test when it is called good and is not what the source is."""
    env = lane.clean()
    manifest = tried(lane, plan, **fields)
    if isinstance(manifest, LedgerError):
        assert manifest.hint
        assert list(backup_folder_of(env).path.iterdir()) == [], "nothing is kept"
        return damage_matrix.caught_by(manifest)
    name = BackupName.of(manifest.dump.file)
    assert not catalog.entry(env, name).proven
    examination = drill.drill(env, name)
    if examination.bad:
        assert examination.bad.message
        assert examination.bad.hint
        assert not catalog.entry(env, name).proven
        return f"drill: {examination.bad.name}/{examination.bad.cause}"
    assert examination.rung is Rung.VALID
    assert manifest.globals
    good = flight.oracle.same(backup_folder_of(env).file(name.dump))
    if "roles_harm" in plan or "roles_lose" in plan:
        good = good and flight.oracle.same_roles(backup_folder_of(env).read(name.globals))
    if manifest.seal.depth == "full":
        assert good, f"called valid, and is not what the source is: {plan}"
    return "harmless: the same once restored" if good else "LET THROUGH"


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_no_harm_to_the_archive_is_called_good(flight: Flight, compression: str) -> None:
    cases = [
        (kind, {"compress": COMPRESSIONS[compression], "harm": kind, "seed": seed})
        for kind, number in HARMS.items()
        for seed in range(number * times(5))
    ]
    in_flight(flight, FULL, cases)


def test_what_is_appended_to_an_archive_does_no_harm(flight: Flight) -> None:
    """pg_restore reads no further than the archive's end, so it is kept; the hash covers it as it is."""
    in_flight(flight, FULL, [("appended", {"compress": "zstd:1", "harm": "appended", "seed": 1})])


def test_nothing_that_pg_dump_leaves_out_is_called_good(flight: Flight) -> None:
    cases: list[tuple[str, dict[str, Any]]] = [
        (f"left out: {what}", {"options": options}) for what, options in LEFT_OUT.items()
    ]
    in_flight(flight, FULL, cases)
    # In a large database rows are counted all the same.
    in_flight(flight, COUNTED, [case for case in cases if "data" in case[0]], full_seal_below=0)
    told = [*FULL.counts, *COUNTED.counts]
    assert not [case for case in told if case[0].startswith("left out") and "backup:" not in case[1]]


@pytest.mark.parametrize("words", [("right.example", "wrong.example"), ("numeric(6,4)", "numeric(6,3)")])
@pytest.mark.parametrize("below", [0, 10**9])
def test_ddl_that_no_seal_speaks_of_is_compared_word_for_word(
    flight: Flight, words: tuple[str, str], below: int
) -> None:
    into = FULL if below else COUNTED
    in_flight(flight, into, [("a word of the DDL", {"reword": words})], full_seal_below=below)
    assert [column for kind, column in into.counts if kind == "a word of the DDL"] == ["backup: DDL"]


def test_no_harm_to_the_roles_is_called_good(flight: Flight) -> None:
    cases: list[tuple[str, dict[str, Any]]] = [
        ("roles: one dropped", {"roles_lose": role}) for role in ("ledgerflow_app", "ledgerflow_readonly")
    ]
    # A setting of a role is in no seal: two readings of it must agree.
    cases += [("roles: a word in every other reading", {"roles_reword": ("64MB", "65MB")})]
    for kind, number in {
        "a flipped bit": 3,
        "truncated": 2,
        "talked into": 1,
        "CRLF": 1,
        "0 bytes": 1,
    }.items():
        cases += [(f"roles: {kind}", {"roles_harm": kind, "seed": 10 * seed}) for seed in range(number)]
    in_flight(flight, FULL, cases)


def test_a_dump_of_another_instant_is_not_kept(flight: Flight) -> None:
    """A pg_dump that forgets the snapshot sees a row that came after the seal."""
    lane = flight.lanes.get()
    env = lane.clean()
    a_row_comes = "INSERT INTO public.auth_group (id, name) VALUES (-1, 'late') ON CONFLICT DO NOTHING"
    try:
        with pytest.raises(LedgerError, match="auth_group") as error:
            lane.backup({"forget": "--snapshot", "before": a_row_comes})
    finally:
        with flight.books.connect() as connection:
            connection.execute("DELETE FROM public.auth_group WHERE id = -1")
        flight.lanes.put(lane)
    assert list(backup_folder_of(env).path.iterdir()) == []
    FULL.add("of another instant", damage_matrix.caught_by(error.value))


def test_what_the_shallow_seal_lets_through_is_reported_and_never_claimed_to_be_sealed_in_full(
    flight: Flight,
) -> None:
    """A measured figure: only counts and sums of a large database are compared with the source."""
    cases = [
        (f"{kind} ({compression})", {"compress": value, "harm": kind, "seed": 100 + seed})
        for kind, number in SHALLOW.items()
        for compression, value in COMPRESSIONS.items()
        for seed in range(number)
    ]
    in_flight(flight, COUNTED, cases, full_seal_below=0)
