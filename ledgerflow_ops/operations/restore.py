"""Restores a backup into the environment's database: beside it first, and in its place only when proven."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import psycopg

from ledgerflow_ops.adapters import dropping, locks, properties, statistics, target
from ledgerflow_ops.adapters.clock import Stopwatch
from ledgerflow_ops.adapters.target import Rename
from ledgerflow_ops.core import encodings
from ledgerflow_ops.core.checks import Check, first_fatal
from ledgerflow_ops.core.errors import (
    BadBackup,
    CannotJudge,
    LedgerError,
    Pending,
    Refused,
    SettingsError,
)
from ledgerflow_ops.core.file_swap import Swap
from ledgerflow_ops.core.manifest import Manifest
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.core.restoring import Candidate, Plan, Wish, plan
from ledgerflow_ops.core.rungs import Rung
from ledgerflow_ops.core.swap import Mark, Role, new_id
from ledgerflow_ops.operations import (
    afterwards,
    catalog,
    completeness,
    files,
    identity,
    journal,
    leftovers,
    loading,
    pairing,
    replication,
    rereading,
    roles,
    rules,
    safety,
    sweeping,
)
from ledgerflow_ops.operations.aim import Aim, aim
from ledgerflow_ops.operations.desk import Site
from ledgerflow_ops.operations.hold import held
from ledgerflow_ops.operations.redumping import Redumped, redump
from ledgerflow_ops.operations.rereading import Archived
from ledgerflow_ops.operations.safety import Kept
from ledgerflow_ops.operations.scratch import beside
from ledgerflow_ops.operations.swap_outcome import BRIEF
from ledgerflow_ops.operations.verify import reader, told, verify


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan with what it was made from, ready to be carried out."""

    plan: Plan
    aim: Aim
    origin: Site


@dataclass(frozen=True, slots=True)
class Restored:
    """A restore that took place: what it was, what was kept, and what the checks afterwards say."""

    plan: Plan
    before: str | None
    safety: str | None
    checks: tuple[Check, ...]
    durations: dict[str, float] = field(default_factory=dict)

    @property
    def bad(self) -> Check | None:
        return first_fatal(self.checks)

    @property
    def noted(self) -> dict[str, Any]:
        """What the journal says of it: it took place, and that may not be all."""
        return self.as_json() | ({"result": "bad", "error": self.bad.message} if self.bad else {})

    def as_json(self) -> dict[str, Any]:
        return {
            **self.plan.as_json(),
            "kept": self.before,
            "safety_backup": self.safety,
            "checks": [check.as_json() for check in self.checks],
            "durations": self.durations,
        }


def prepare(site: Site, wish: Wish, origin: Site | None = None) -> Prepared:
    """Look at backup and target, and decide. Touches nothing but the backup's own proof.

    `origin` is where the backup lies, if not in the folder of the environment that it is of.

    Refused (3) when the target is not the environment's own; everything else that speaks against the
    restore is in the plan.
    """
    site.desk.reporter.step(Step.PLAN)
    aimed = aim(site)
    origin = origin or site.desk.site(wish.origin)
    candidate = _candidate(origin, wish)
    rooms = aimed.rooms(candidate.manifest, force=wish.force) if candidate.manifest else []
    ident = new_id(site.desk.clock(), secrets.token_hex(2))
    manifest = candidate.manifest
    against = list(pairing.against(site, manifest, ident)) if manifest else []
    proof = catalog.entry(origin, candidate.name).proof
    notes = [*pairing.notes(site, manifest), *completeness.notes(manifest, proof)] if manifest else []
    if manifest and candidate.rung is not None and candidate.rung >= Rung.READABLE:
        file = origin.folder.file(candidate.name.dump)
        usable, own = aimed.target.server.tablespaces, aimed.properties or manifest.properties
        tools = reader(origin, manifest)
        notes += loading.placement(tools, file, usable).notes(own)
        notes += replication.notes(tools, file, aimed.maintenance, aimed.name)
    made = plan(wish, candidate, aimed.target, rooms, ident, against=against, notes=notes)
    return Prepared(made, aimed, origin)


def restore(site: Site, wish: Wish) -> Restored:
    """Carry out a restore. Refused (3), nothing touched, when anything speaks against it.

    LedgerError (1), BadBackup (4) or CannotJudge (5) when it fails on the way: the live database is
    then as it was. A `Restored` whose checks are bad has taken place; make rollback undoes it.
    """
    desk = site.desk
    with (
        journal.recorded(site, "restore") as note,
        locks.exclusive(desk.settings.state_dir, site.environment, "restore", desk.clock()),
    ):
        note["file"] = wish.file
        sweeping.before(site)
        leftovers.sweep(site)
        restored = carry_out(site, prepare(site, wish))
        note |= restored.noted
        return restored


def carry_out(site: Site, prepared: Prepared, *, safety_needed: bool = True) -> Restored:
    """Carry out a plan, under the environment's lock."""
    manifest, origin, name = prepared.plan.require(), prepared.origin, prepared.plan.candidate.name
    with held(origin, name, "restore"):
        if not origin.folder.taken(name.manifest):
            raise Refused(
                f"{name.dump} was removed by a rotation a moment ago. Nothing was touched.",
                hint="Choose another backup: make status lists them.",
            )
        return _Restore(site, prepared, manifest, safety_needed).carry_out()


def _candidate(origin: Site, wish: Wish) -> Candidate:
    """The backup asked for, read to its end."""
    try:
        name = catalog.find(origin, wish.file)
    except SettingsError as error:
        raise Refused(error.message, hint=error.hint) from None
    try:
        examination = verify(origin, name)
    except CannotJudge as error:
        entry = catalog.entry(origin, name)
        return Candidate(name, entry.manifest, None, error.message)
    trouble = examination.bad.message if examination.bad else ""
    return Candidate(name, examination.manifest, examination.rung, trouble)


class _Restore:
    """One restore at work."""

    def __init__(self, site: Site, prepared: Prepared, manifest: Manifest, safety_needed: bool) -> None:
        self.site, self.plan, self.aim, self.manifest = site, prepared.plan, prepared.aim, manifest
        self.origin = prepared.origin
        self.report = site.desk.reporter
        self.watch = Stopwatch()
        self.safety_needed, self.kept = safety_needed, Kept()
        self.new = self.aim.database.named(self.plan.restoring)
        self.tools = reader(self.origin, manifest)

    def carry_out(self) -> Restored:
        after = afterwards.begin(self.site, self.aim)
        self.kept = self._safety()
        with self._dropped_on_failure():
            self._stage(Step.ROLES, self._make_roles)
            self._stage(Step.CREATE, self._create)
            self._stage(Step.RESTORE, self._load)
            self._stage(Step.COMPARE, self._compare)
            self._stage(Step.RULES, self._rules)
            self._stage(Step.ANALYZE, self._analyze)
            self._stage(Step.CARRY_OVER, self._carry_over)
            self._swap_both()
        self.report.step(Step.AFTERWARDS)
        with self.watch.phase(Step.AFTERWARDS):
            checks = after.checks(self.manifest)
        return self._record([*checks, *self.kept.checks])

    def _stage(self, step: Step, work: Callable[[], None]) -> None:
        self.report.step(step)
        with self.watch.phase(step):
            work()

    def _safety(self) -> Kept:
        """The safety backup, where there is something to lose."""
        if self.aim.target.empty:
            return Kept()
        self.report.step(Step.SAFETY)
        with self.watch.phase(Step.SAFETY):
            return safety.keep(self.site, self.origin, self.plan, required=self.safety_needed)

    def _make_roles(self) -> None:
        """The roles that are missing, as the backup's roles file makes them, or by name and attributes."""
        place, missing = self.origin.folder, self.plan.missing_roles
        loading.tell(self.report, roles.make(self.aim.maintenance, place, self.manifest, missing))

    def _create(self, name: str = "") -> None:
        """An empty database beside the live one, marked as ours."""
        name = name or self.plan.restoring
        facts = self.aim.target.live.source if self.aim.target.live else self.manifest.source
        wanted = self.aim.properties or self.manifest.properties
        with self.aim.maintenance.connect() as connection:
            locale = (facts.encoding, facts.collate, facts.ctype)
            properties.create(connection, name, locale, wanted)
            target.mark(connection, name, self._mark(Role.RESTORING, None).encode())
        if "schema public" not in self.manifest.seal.objects:
            with self.aim.database.named(name).connect() as connection:
                connection.execute("DROP SCHEMA public")

    def _load(self) -> None:
        """The whole archive, every error fatal."""
        file = self.origin.folder.file(self.plan.candidate.name.dump)
        usable = self.aim.target.server.tablespaces
        said = loading.into_target(self.tools, self.new, file, self.manifest, usable, self._empty)
        loading.tell(self.report, said)

    def _empty(self) -> None:
        """Begin anew with the database that is restored into."""
        dropping.drop(self.aim.maintenance, self.plan.restoring)
        self._create()

    def _compare(self) -> None:
        """BadBackup unless what was restored equals the seal."""
        manifest = self.manifest
        found = rereading.reread(self.new, manifest.contents, None).without(manifest.unheld)
        redumped = self._redump()
        seal = manifest.seal.model_copy(update={"roles": {}})  # those of this server are its own
        expected = manifest.model_copy(update={"seal": seal})
        archived = Archived(self.tools, self.origin.folder.file(self.plan.candidate.name.dump))
        differences = rereading.differences(found, self.new, expected, archived, redumped)
        self._require(list(told("restorable", differences)))

    def _redump(self) -> Redumped:
        """What was restored, dumped again. An account below a superuser is not shown subscriptions."""
        server, file = self.aim.target.server, self.origin.folder.file(self.plan.candidate.name.dump)
        scratch = partial(beside, self.site, self.aim, self._create)
        with self.new.reached() as new:
            return redump(
                self.site.desk, self.manifest, file, new, server.major, scratch, all_seen=server.superuser
            )

    def _rules(self) -> None:
        self._require(rules.ask(self.new, self.site.rules))

    def _require(self, checks: list[Check]) -> None:
        if bad := first_fatal(checks):
            raise BadBackup(f"What was restored is not right: {bad.message}", hint=bad.hint)

    def _analyze(self) -> None:
        with self.new.connect() as connection:
            statistics.analyze(connection)

    def _carry_over(self) -> None:
        wanted = self.aim.properties or self.manifest.properties
        codec = encodings.codec(self.manifest.source.encoding)
        if wanted:
            server, name = self.aim.maintenance, self.plan.restoring
            loading.tell(self.report, properties.carry_over(server, name, wanted, codec))

    def _swap_both(self) -> None:
        """Database and files, or neither. Files are laid out first: then only renames are left."""
        laid_out = pairing.lay_out(self.site, self.origin, self.manifest, self.plan.id)
        try:
            self._stage(Step.SWAP, self._swap)
            if laid_out:
                self._put_in_place(laid_out)
        except Pending:
            raise  # the record of the files stays: they follow their database, whichever side it comes to
        except BaseException:
            if laid_out:
                files.take_back(self.site, laid_out)
            raise

    def _put_in_place(self, laid_out: Swap) -> None:
        """The files after their database; when they cannot be, the database goes back as well."""
        try:
            files.put_in_place(self.site, laid_out)
        except BaseException:
            back = [Rename(self.aim.name, self.plan.restoring, None, open=True)]
            if self.aim.target.live:
                comment = self.aim.properties.comment if self.aim.properties else None
                back.append(Rename(self.plan.before, self.aim.name, comment, open=True))
            self.aim.swap(back, force=True)
            raise

    def _swap(self) -> None:
        """Old away, new in its place, in one transaction."""
        with self.aim.maintenance.connect() as connection:
            oids = target.oids(connection, self.plan.restoring, self.aim.name)
        identity.expect(self.site, self.aim.identity, oids)
        wanted = self.aim.properties or self.manifest.properties
        comment = wanted.comment if wanted else None
        renames = [Rename(self.plan.restoring, self.aim.name, comment, open=True)]
        if self.aim.target.live:
            away = replace(self._mark(Role.BEFORE, comment), only=self.kept.unloadable).encode()
            renames.insert(0, Rename(self.aim.name, self.plan.before, away, open=False))
        self.aim.swap(renames, force=self.plan.wish.force)

    def _mark(self, role: Role, comment: str | None) -> Mark:
        return Mark(
            environment=str(self.site.environment),
            database=self.aim.name,
            role=role,
            id=self.plan.id,
            at=self.site.desk.clock(),
            file=self.plan.candidate.name.dump,
            comment=comment,
        )

    def _record(self, checks: list[Check]) -> Restored:
        """Remember the target; whoever ordered the restore writes the journal."""
        self.report.step(Step.JOURNAL)
        identity.remember(self.site, self.aim.identity)
        before = self.plan.before if self.aim.target.live else None
        return Restored(self.plan, before, self.kept.file, tuple(checks), dict(self.watch.durations))

    @contextmanager
    def _dropped_on_failure(self) -> Iterator[None]:
        """If the block fails, what was half-restored is dropped: the live database was never touched."""
        try:
            yield
        except Pending:
            raise
        except BaseException:
            with suppress(LedgerError, psycopg.Error):
                dropping.drop(self.aim.maintenance.within(BRIEF), self.plan.restoring)
            raise  # what cannot be dropped now, the next command sweeps
