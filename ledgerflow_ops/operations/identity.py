"""Which database an environment is, told and, on purpose, told anew."""

from functools import partial

from ledgerflow_ops.adapters import sighting, source, target
from ledgerflow_ops.adapters.identities import Identities
from ledgerflow_ops.adapters.postgres import Connection, Database
from ledgerflow_ops.core import identity as judging
from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.core.identity import Identity, Sighting
from ledgerflow_ops.core.manifest import Source
from ledgerflow_ops.operations.desk import Site


def met(site: Site, database: Database, connection: Connection, found: Source) -> Identity:
    """The database at the end of `connection`, with all that tells it from a clone.

    Not of the sample: the embedded server's port changes, and its databases are made anew.
    """
    seen = None if site.is_sample else sighting.sighting(database, connection)
    return Identity(found.system_identifier, found.database, seen)


def aimed_at(site: Site, database: Database, connection: Connection, system_identifier: str) -> Identity:
    """The database that a restore is aimed at, there or not, and where; `connection` is to its server.

    An account of its own for restores may come another way: then the place is not compared.
    """
    plain = site.is_sample or site.settings.admin_url
    seen = None if plain else Sighting(sighting.addresses(database, connection))
    return Identity(system_identifier, database.parameters["dbname"], seen)


def bind(site: Site, found: Identity, *, safety: bool = False) -> None:
    """Remember the database as the environment's: what was committed of it is its backup.

    Refused when another environment has taken it meanwhile. Of one that is about to be replaced, after a
    `safety` backup, nothing is remembered but its OID: a rollback brings it back.
    """
    if safety and known(site) is not None:
        expect(site, found, found.seen.oids if found.seen else ())
        return
    allowed = partial(judging.judge, site.environment, found)
    _identities(site).remember(site.environment, judging.merged(found, known(site)), allowed)


def remember(site: Site, found: Identity) -> None:
    """Take a database as the environment's, after a guard has let it through."""
    if known(site) != found:
        _identities(site).remember(site.environment, found)


def expect(site: Site, found: Identity, oids: tuple[int, ...]) -> None:
    """Note, before a swap, the OIDs that the environment's database may have from then on."""
    remembered = known(site)
    if remembered is not None and remembered == found and remembered.seen is not None:
        _identities(site).remember(site.environment, judging.with_oids(remembered, oids))


def is_own(site: Site, found: Identity) -> bool:
    """Whether a database is the one remembered; Refused when it cannot be this environment's, or has changed.

    What is not `seen` of it is not compared: that of a restore need not be there. Remembers nothing.
    """
    known = _identities(site).known()
    own = judging.judge(site.environment, found, known)
    if own:
        judging.require_unchanged(site.environment, found, known[site.environment])
    return own


def known(site: Site) -> Identity | None:
    """What is remembered of the environment's database."""
    return _identities(site).known().get(site.environment)


def identity(site: Site, *, accept: bool) -> Identity:
    """The database that the environment's URL leads to, if it is the environment's own, as it was met now.

    With `accept` it is taken as the environment's from now on, unless it is another environment's.
    Refused (3) otherwise.
    """
    database = target.quiet(site.database())
    with database.connect() as connection:
        here = met(site, database, connection, source.facts(connection))
    if accept:
        _take(site, here)
    elif not is_own(site, here):
        raise Refused(
            f"{site.environment} has no database yet. Its URL leads to {here}.",
            hint="The first backup takes it, or: make identity ACCEPT=1",
        )
    return here


def _take(site: Site, here: Identity) -> None:
    identities = _identities(site)
    others = {name: one for name, one in identities.known().items() if name is not site.environment}
    judging.judge(site.environment, here, others)
    identities.remember(site.environment, judging.merged(here, known(site)))


def _identities(site: Site) -> Identities:
    return Identities(site.desk.settings.state_dir / "identities.json")
