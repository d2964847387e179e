"""Knows which database belongs to an environment: remembers, compares, and accepts another on request."""

from functools import partial

from ledgerflow_ops.adapters.connection.database import Connection, Database
from ledgerflow_ops.adapters.inspection import server_position, source
from ledgerflow_ops.adapters.load import restore_server
from ledgerflow_ops.adapters.storage.identity_records import IdentityRecords
from ledgerflow_ops.core.catalog import identity as identity_rules
from ledgerflow_ops.core.catalog.identity import Identity, Observation
from ledgerflow_ops.core.catalog.manifest import Source
from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.operations.context import EnvironmentContext


def observed_identity(
    env: EnvironmentContext, database: Database, connection: Connection, facts: Source
) -> Identity:
    """The identity of the database at `connection`, with what distinguishes it from a clone.

    For the sample that part is left out: the embedded server's port changes, and its databases are made
    again.
    """
    observation = None if env.is_sample else server_position.observe_server(database, connection)
    return Identity(facts.system_identifier, facts.database, observation)


def target_identity(
    env: EnvironmentContext, database: Database, connection: Connection, system_identifier: str
) -> Identity:
    """The identity of a restore's target, which need not exist; `connection` is to its server.

    With a separate account for restores the server's address is not compared: it may connect differently.
    """
    not_compared = env.is_sample or env.settings.admin_url
    observation = (
        None if not_compared else Observation(server_position.server_addresses(database, connection))
    )
    return Identity(system_identifier, database.parameters["dbname"], observation)


def remember_backed_up(env: EnvironmentContext, observed: Identity, *, safety: bool = False) -> None:
    """Remember a database as the environment's, once a backup of it is committed.

    Refused when another environment has taken it meanwhile. After a `safety` backup only its OID is added:
    the database is about to be replaced, and a rollback may bring it back.
    """
    if safety and remembered_identity(env) is not None:
        expect_oids(env, observed, observed.seen.oids if observed.seen else ())
        return
    allowed = partial(identity_rules.is_remembered, env.environment, observed)
    _identities(env).remember(
        env.environment, identity_rules.merge_observation(observed, remembered_identity(env)), allowed
    )


def remember_identity(env: EnvironmentContext, observed: Identity) -> None:
    """Remember a database as the environment's, after it has been checked."""
    if remembered_identity(env) != observed:
        _identities(env).remember(env.environment, observed)


def expect_oids(env: EnvironmentContext, observed: Identity, oids: tuple[int, ...]) -> None:
    """Record, before a swap, the OIDs that the environment's database may have afterwards."""
    remembered = remembered_identity(env)
    if remembered is not None and remembered == observed and remembered.seen is not None:
        _identities(env).remember(env.environment, identity_rules.with_oids(remembered, oids))


def is_own_database(env: EnvironmentContext, observed: Identity) -> bool:
    """Whether a database is the remembered one; Refused when it is another environment's, or has changed.

    Parts of the identity that were not observed are not compared. Nothing is remembered.
    """
    remembered = _identities(env).recorded()
    own = identity_rules.is_remembered(env.environment, observed, remembered)
    if own:
        identity_rules.require_unchanged(env.environment, observed, remembered[env.environment])
    return own


def remembered_identity(env: EnvironmentContext) -> Identity | None:
    """The remembered identity of the environment's database; None where there is none."""
    return _identities(env).recorded().get(env.environment)


def check_identity(env: EnvironmentContext, *, accept: bool) -> Identity:
    """The identity of the database at the environment's URL, which must be the environment's own.

    With `accept` it becomes the environment's, unless it belongs to another one. Refused (3) otherwise.
    """
    database = restore_server.without_event_triggers(env.database())
    with database.connect() as connection:
        observed = observed_identity(env, database, connection, source.read_source_facts(connection))
    if accept:
        _accept(env, observed)
    elif not is_own_database(env, observed):
        raise Refused(
            f"{env.environment} has no database yet. Its URL leads to {observed}.",
            hint=Hint("The first backup takes it, or: ", make("identity", ACCEPT=1)),
        )
    return observed


def _accept(env: EnvironmentContext, observed: Identity) -> None:
    identities = _identities(env)
    other_environments = {
        name: remembered for name, remembered in identities.recorded().items() if name is not env.environment
    }
    identity_rules.is_remembered(env.environment, observed, other_environments)
    identities.remember(env.environment, identity_rules.merge_observation(observed, remembered_identity(env)))


def _identities(env: EnvironmentContext) -> IdentityRecords:
    return IdentityRecords(env.ctx.settings.state_dir / "identities.json")
