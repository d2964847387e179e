"""Which database an environment is, told and, on purpose, told anew."""

from functools import partial

from ledgerflow_ops.adapters.connection.database import Connection, Database
from ledgerflow_ops.adapters.inspection import server_position, source
from ledgerflow_ops.adapters.load import restore_server
from ledgerflow_ops.adapters.storage.identity_records import Identities
from ledgerflow_ops.core.catalog import identity as judging
from ledgerflow_ops.core.catalog.identity import Identity, Observation
from ledgerflow_ops.core.catalog.manifest import Source
from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.operations.context import EnvironmentContext


def observed_identity(
    env: EnvironmentContext, database: Database, connection: Connection, found: Source
) -> Identity:
    """The database at the end of `connection`, with all that tells it from a clone.

    Not of the sample: the embedded server's port changes, and its databases are made anew.
    """
    seen = None if env.is_sample else server_position.sighting(database, connection)
    return Identity(found.system_identifier, found.database, seen)


def target_identity(
    env: EnvironmentContext, database: Database, connection: Connection, system_identifier: str
) -> Identity:
    """The database that a restore is aimed at, there or not, and where; `connection` is to its server.

    An account of its own for restores may come another way: then the place is not compared.
    """
    plain = env.is_sample or env.settings.admin_url
    seen = None if plain else Observation(server_position.addresses(database, connection))
    return Identity(system_identifier, database.parameters["dbname"], seen)


def remember_backed_up(env: EnvironmentContext, found: Identity, *, safety: bool = False) -> None:
    """Remember the database as the environment's: what was committed of it is its backup.

    Refused when another environment has taken it meanwhile. Of one that is about to be replaced, after a
    `safety` backup, nothing is remembered but its OID: a rollback brings it back.
    """
    if safety and remembered_identity(env) is not None:
        expect_oids(env, found, found.seen.oids if found.seen else ())
        return
    allowed = partial(judging.is_remembered, env.environment, found)
    _identities(env).remember(
        env.environment, judging.merge_observation(found, remembered_identity(env)), allowed
    )


def remember_identity(env: EnvironmentContext, found: Identity) -> None:
    """Take a database as the environment's, after a guard has let it through."""
    if remembered_identity(env) != found:
        _identities(env).remember(env.environment, found)


def expect_oids(env: EnvironmentContext, found: Identity, oids: tuple[int, ...]) -> None:
    """Note, before a swap, the OIDs that the environment's database may have from then on."""
    remembered = remembered_identity(env)
    if remembered is not None and remembered == found and remembered.seen is not None:
        _identities(env).remember(env.environment, judging.with_oids(remembered, oids))


def is_own_database(env: EnvironmentContext, found: Identity) -> bool:
    """Whether a database is the one remembered; Refused when it cannot be this environment's, or has changed.

    What is not `seen` of it is not compared: that of a restore need not be there. Remembers nothing.
    """
    known = _identities(env).known()
    own = judging.is_remembered(env.environment, found, known)
    if own:
        judging.require_unchanged(env.environment, found, known[env.environment])
    return own


def remembered_identity(env: EnvironmentContext) -> Identity | None:
    """What is remembered of the environment's database."""
    return _identities(env).known().get(env.environment)


def check_identity(env: EnvironmentContext, *, accept: bool) -> Identity:
    """The database that the environment's URL leads to, if it is the environment's own, as it was met now.

    With `accept` it is taken as the environment's from now on, unless it is another environment's.
    Refused (3) otherwise.
    """
    database = restore_server.quiet(env.database())
    with database.connect() as connection:
        here = observed_identity(env, database, connection, source.facts(connection))
    if accept:
        _accept(env, here)
    elif not is_own_database(env, here):
        raise Refused(
            f"{env.environment} has no database yet. Its URL leads to {here}.",
            hint=Hint("The first backup takes it, or: ", make("identity", ACCEPT=1)),
        )
    return here


def _accept(env: EnvironmentContext, here: Identity) -> None:
    identities = _identities(env)
    others = {name: one for name, one in identities.known().items() if name is not env.environment}
    judging.is_remembered(env.environment, here, others)
    identities.remember(env.environment, judging.merge_observation(here, remembered_identity(env)))


def _identities(env: EnvironmentContext) -> Identities:
    return Identities(env.ctx.settings.state_dir / "identities.json")
