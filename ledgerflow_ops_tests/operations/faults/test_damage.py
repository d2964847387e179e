"""Backups damaged on the disk: none is called good, and each verdict says what is wrong.

Hundreds of seeded damages, for every compression, judged by verify; a sample of them by the drill.
What happens between pg_dump and the file is in test_damage_in_flight, what must never be called bad in
test_undamaged.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.core.catalog.manifest import encode_sealed
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops.operations.verification import drill, verify
from ledgerflow_ops.operations.verification.examination import Examination
from ledgerflow_ops_tests import damage, damage_matrix
from ledgerflow_ops_tests.builders import NOON, backup_folder_of
from ledgerflow_ops_tests.damage_matrix import DamageMatrix
from ledgerflow_ops_tests.fakes import sandboxes
from ledgerflow_ops_tests.fakes.sandboxes import ActionAtStep, Sandbox

COMPRESSIONS = {"gzip": "gzip:6", "zstd": "zstd:1", "lz4": "lz4", "uncompressed": "none"}
SEEDS = range(3)
AFTER = DamageMatrix("After the commit, judged by verify or (in brackets) by the drill")
ON_THE_WAY = DamageMatrix("On the disk, before the backup is done")

Files = dict[str, bytes]


@dataclass(frozen=True)
class Kept:
    """A proven backup's files, by what they are, and the name they share."""

    name: BackupName
    dump: bytes
    manifest: bytes
    globals: bytes
    proof: bytes

    @classmethod
    def of(cls, env: EnvironmentContext, name: BackupName) -> "Kept":
        folder = backup_folder_of(env)
        parts = (name.dump, name.manifest, name.globals, name.proof)
        return cls(name, *map(folder.read, parts))

    def files(self) -> Files:
        """All of them under their own names."""
        return {
            self.name.dump: self.dump,
            self.name.manifest: self.manifest,
            self.name.globals: self.globals,
            self.name.proof: self.proof,
        }


@dataclass(frozen=True)
class IntactBackup:
    """For one compression: a proven backup, one of the next day, and one of another environment."""

    env: EnvironmentContext
    today: Kept
    tomorrow: Kept
    foreign: Kept

    def lay(self, files: Mapping[str, bytes]) -> None:
        """Make the folder hold exactly these files."""
        for file in backup_folder_of(self.env).path.iterdir():
            file.unlink()
        for name, data in files.items():
            path = backup_folder_of(self.env).file(name)
            path.touch(mode=0o600)
            path.write_bytes(data)


@pytest.fixture(scope="module", autouse=True)
def told(request: pytest.FixtureRequest) -> Iterator[None]:
    with damage_matrix.print_at_end(request, AFTER, ON_THE_WAY):
        yield


@pytest.fixture(scope="module")
def intact_backups(session_root: Path, embedded: EmbeddedPostgres) -> Iterator[dict[str, IntactBackup]]:
    """An intact backup for every compression; the data differ between days and between environments."""
    with (
        sandboxes.temporary_folder(session_root) as root,
        sandboxes.sample_copy(embedded) as books,
        sandboxes.sample_copy(embedded) as others,
        ThreadPoolExecutor(2) as pool,
    ):
        today = {
            name: pool.submit(_kept, root / name, Environment.DEV, books, compress, NOON)
            for name, compress in COMPRESSIONS.items()
        }
        futures.wait(today.values())
        with books.connect() as connection:
            connection.execute("UPDATE public.profiles_transaction SET note = 'tomorrow' WHERE id = 1")
        tomorrow = pool.submit(
            _kept, root / "tomorrow", Environment.DEV, books, "zstd:1", NOON + timedelta(days=1)
        )
        foreign = pool.submit(_kept, root / "foreign", Environment.TEST, others, "gzip:6", NOON)
        yield {
            name: IntactBackup(
                Sandbox(root / name, books).env(), kept.result(), tomorrow.result(), foreign.result()
            )
            for name, kept in today.items()
        }


def _kept(root: Path, environment: Environment, books: Database, compress: str, now: datetime) -> Kept:
    """A backup of that instant, proven."""
    root.mkdir(mode=0o711)
    false = root / "tools"
    damage.falsify(false, client_tools.bundled_tools().folder)
    damage.plan(false, compress=compress)
    env = sandboxes.new_env(environment, root, books)
    env = EnvironmentContext(replace(env.ctx, clock=lambda: now), environment)
    taken = backup.backup(sandboxes.with_settings(env, tools_dir=false))
    return Kept.of(env, sandboxes.prove_backup(env, taken))


# What is done to the files. Each takes an intact backup and dice, and returns the damaged files.

Deed = Callable[[IntactBackup, Random], Files]


def _dump(kind: str) -> Deed:
    return lambda intact, dice: {
        **intact.today.files(),
        intact.today.name.dump: damage.harmed(kind, intact.today.dump, dice.randrange(10**6)),
    }


def _part(part: str, kind: str) -> Deed:
    def done(intact: IntactBackup, dice: Random) -> Files:
        file, data = getattr(intact.today.name, part), getattr(intact.today, part)
        return {**intact.today.files(), file: damage.harmed(kind, data, dice.randrange(10**6))}

    return done


def _lost(part: str) -> Deed:
    def done(intact: IntactBackup, dice: Random) -> Files:
        files = intact.today.files()
        del files[getattr(intact.today.name, part)]
        return files

    return done


def _another(whose: str, *parts: str) -> Deed:
    """Parts of another backup under this one's name."""

    def done(intact: IntactBackup, dice: Random) -> Files:
        other: Kept = getattr(intact, whose)
        return intact.today.files() | {
            getattr(intact.today.name, part): getattr(other, part) for part in parts
        }

    return done


def _dump_alone(whose: str) -> Deed:
    """Another backup's dump under this one's name, without its other files."""
    return lambda pair, dice: {pair.today.name.dump: getattr(pair, whose).dump}


def _field_edited(intact: IntactBackup, dice: Random) -> Files:
    """A field of the manifest has another value, as an editor would leave it."""
    fields = json.loads(intact.today.manifest)
    holder, key = dice.choice(list(_places(fields)))
    holder[key] = _other(holder[key])
    text = (json.dumps(fields, indent=1) + "\n").encode()
    assert text != intact.today.manifest
    return {**intact.today.files(), intact.today.name.manifest: text}


def _field_forged(part: str) -> Deed:
    """What a table or a sequence held has another value, and the manifest's digest was made to fit."""

    def done(intact: IntactBackup, dice: Random) -> Files:
        fields = json.loads(intact.today.manifest)
        del fields["digest"]
        holder, key = dice.choice(list(_places(fields["contents"][part])))
        holder[key] = _other(holder[key])
        return {**intact.today.files(), intact.today.name.manifest: encode_sealed(fields)}

    return done


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a JSON document that holds a plain value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, found in pairs:
        if isinstance(found, dict | list):
            yield from _places(found)
        else:
            yield value, key


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int | float) else f"{value}x" if value else "x"


def _role_dropped(intact: IntactBackup, dice: Random) -> Files:
    lines = intact.today.globals.splitlines(keepends=True)
    kept = [line for line in lines if b"ledgerflow_app" not in line]
    assert len(kept) < len(lines)
    return {**intact.today.files(), intact.today.name.globals: b"".join(kept)}


HASH, MANIFEST, ENVIRONMENT = "integrity/hash", "sealed/manifest", "sealed/environment"
_SMALL = ("a flipped bit", "truncated", "CRLF", "0 bytes")

BAD: dict[str, tuple[Deed, str]] = {
    **{f"dump: {kind}": (_dump(kind), HASH) for kind in damage.HARMS},
    "dump: lost": (_lost("dump"), "exists/exists"),
    "dump: another day's": (_another("tomorrow", "dump"), HASH),
    "dump: another environment's": (_another("foreign", "dump"), HASH),
    "dump and manifest: another day's": (_another("tomorrow", "dump", "manifest"), MANIFEST),
    "dump and manifest: another environment's": (_another("foreign", "dump", "manifest"), ENVIRONMENT),
    "all files: another environment's": (
        _another("foreign", "dump", "manifest", "globals", "proof"),
        ENVIRONMENT,
    ),
    "manifest: a field edited": (_field_edited, MANIFEST),
    "manifest: a row count forged": (_field_forged("tables"), "sealed/contents"),
    "manifest: a sequence forged": (_field_forged("sequences"), "sealed/sequences"),
    "manifest: another day's": (_another("tomorrow", "manifest"), MANIFEST),
    "manifest: another environment's": (_another("foreign", "manifest"), ENVIRONMENT),
    **{f"manifest: {kind}": (_part("manifest", kind), MANIFEST) for kind in _SMALL},
    "globals: lost": (_lost("globals"), HASH),
    "globals: a role dropped": (_role_dropped, HASH),
    **{f"globals: {kind}": (_part("globals", kind), HASH) for kind in _SMALL},
}
"""What makes a backup bad, and the check and cause that must say so."""

UNPROVEN: dict[str, tuple[Deed, str]] = {
    "manifest: lost": (_lost("manifest"), "no manifest"),
    "another day's dump without its manifest": (_dump_alone("tomorrow"), "no manifest"),
    "another environment's dump without its manifest": (_dump_alone("foreign"), "no manifest"),
    "proof: lost": (_lost("proof"), "readable"),
    "proof: another day's": (_another("tomorrow", "proof"), "readable"),
    "proof: another environment's": (_another("foreign", "proof"), "readable"),
    **{
        f"proof: {kind}": (_part("proof", kind), "readable")
        for kind in ("a flipped bit", "another digit", "truncated", "CRLF", "0 bytes")
    },
}
"""What leaves a dump that may well be good, without a proof; and the state it then has."""


def _cases(intact_backups: Mapping[str, IntactBackup], kind: str) -> Iterator[tuple[IntactBackup, Random]]:
    for compression, intact in intact_backups.items():
        for seed in SEEDS:
            yield intact, Random(f"{kind} {compression} {seed}")


def _size(intact: IntactBackup) -> int:
    return backup_folder_of(intact.env).file(intact.today.name.dump).stat().st_size


def _named(examination: Examination) -> str:
    """What caught it; fails the test unless the verdict names what is wrong and what to do."""
    bad = examination.bad
    assert bad is not None, f"called good: {[check.message for check in examination.checks]}"
    assert bad.message
    assert bad.hint
    assert bad.cause
    return f"{bad.name}/{bad.cause}"


@pytest.mark.parametrize("kind", BAD)
def test_a_damaged_backup_is_called_bad_by_name(intact_backups: dict[str, IntactBackup], kind: str) -> None:
    deed, cause = BAD[kind]
    for intact, dice in _cases(intact_backups, kind):
        intact.lay(deed(intact, dice))
        name = intact.today.name
        if intact.env.store.version(name.dump) is None or _size(intact) != len(intact.today.dump):
            assert catalog.entry(intact.env, name).state == "bad", "a size is compared at a glance"
        examination = verify.verify(intact.env, name)
        assert not examination.proven
        assert _named(examination) == cause
        AFTER.add(kind, cause)
        entry = catalog.entry(intact.env, name)
        assert not entry.proven
        assert entry.state == "bad"


@pytest.mark.parametrize("kind", UNPROVEN)
def test_a_backup_without_its_manifest_or_proof_is_not_proven(
    intact_backups: dict[str, IntactBackup], kind: str
) -> None:
    deed, state = UNPROVEN[kind]
    for intact, dice in _cases(intact_backups, kind):
        intact.lay(deed(intact, dice))
        assert not catalog.entry(intact.env, intact.today.name).proven
        examination = verify.verify(intact.env, intact.today.name)
        assert examination.bad is None
        assert not examination.proven
        entry = catalog.entry(intact.env, intact.today.name)
        assert not entry.proven
        assert entry.state == state
        AFTER.add(kind, f"not proven: {state}")


@pytest.mark.parametrize("kind", BAD)
def test_the_drill_calls_it_bad_as_well(intact_backups: dict[str, IntactBackup], kind: str) -> None:
    compression = Random(kind).choice(list(intact_backups))
    intact = intact_backups[compression]
    deed, _ = BAD[kind]
    intact.lay(deed(intact, Random(f"drill {kind}")))
    examination = drill.drill(intact.env, intact.today.name)
    assert not examination.proven
    AFTER.add(kind, f"({_named(examination)})")
    assert catalog.entry(intact.env, intact.today.name).state == "bad"


def test_a_drill_without_a_manifest_proves_nothing(intact_backups: dict[str, IntactBackup]) -> None:
    intact = intact_backups["lz4"]
    intact.lay(_lost("manifest")(intact, Random(0)))
    examination = drill.drill(intact.env, intact.today.name)
    assert not examination.proven
    assert [check.cause for check in examination.checks if not check.passed] == ["no manifest"]
    assert catalog.entry(intact.env, intact.today.name).state == "no manifest"


def test_a_whole_backup_of_another_environment_is_bad_here(intact_backups: dict[str, IntactBackup]) -> None:
    intact = intact_backups["zstd"]
    intact.lay(intact.foreign.files())
    examination = verify.verify(intact.env, intact.foreign.name)
    assert _named(examination) == ENVIRONMENT
    AFTER.add("all files, under their own name: another environment's", ENVIRONMENT)
    assert not catalog.entry(intact.env, intact.foreign.name).proven


def test_the_intact_backups_were_proven_before_they_were_damaged(
    intact_backups: dict[str, IntactBackup],
) -> None:
    for intact in intact_backups.values():
        intact.lay(intact.today.files() | intact.tomorrow.files())
        assert [entry.state for entry in catalog.entries(intact.env)] == ["valid", "valid"]
        assert verify.verify(intact.env, intact.today.name).bad is None
        assert [entry.state for entry in catalog.entries(intact.env)] == ["valid", "valid"]


_ON_DISK = {
    "the unfinished dump": (Step.SYNC, Step.RENAME),
    "the dump": (Step.GLOBALS, Step.COMMIT, Step.READ_BACK),
    "the globals": (Step.COMMIT, Step.READ_BACK),
    "the manifest": (Step.READ_BACK,),
}
_ENDINGS = {
    "the unfinished dump": ".dump.partial",
    "the dump": ".dump",
    "the globals": ".globals.sql",
    "the manifest": ".manifest.json",
}
_STEPS = [(what, step) for what, steps in _ON_DISK.items() for step in steps]


@pytest.mark.parametrize(("what", "step"), _STEPS, ids=[f"{what} at {step}" for what, step in _STEPS])
def test_damage_to_a_file_just_written_is_read_back(sandbox: Sandbox, what: str, step: Step) -> None:
    folder = backup_folder_of(sandbox.env()).path
    for kind in ("a flipped bit", "truncated", "appended", "CRLF", "0 bytes"):

        def harm(kind: str = kind) -> None:
            (file,) = [path for path in folder.iterdir() if path.name.endswith(_ENDINGS[what])]
            file.write_bytes(damage.harmed(kind, file.read_bytes(), 7))

        at = ActionAtStep(at=step, action=harm)
        with pytest.raises(LedgerError) as caught:
            backup.backup(sandbox.env(at))
        assert at.fired
        assert caught.value.hint
        assert list(folder.iterdir()) == [], "nothing is kept"
        ON_THE_WAY.add(f"{what}: {kind}", damage_matrix.caught_by(caught.value))


@pytest.fixture
def sandbox(root: Path, database: Database) -> Sandbox:
    return Sandbox(root, database)
