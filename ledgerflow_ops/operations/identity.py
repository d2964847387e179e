"""Which database an environment is, told and, on purpose, told anew."""

from ledgerflow_ops.adapters import source
from ledgerflow_ops.adapters.identities import Identities
from ledgerflow_ops.core import identity as judging
from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.core.identity import Identity
from ledgerflow_ops.core.manifest import Source
from ledgerflow_ops.operations.desk import Site


def confirm(site: Site, found: Source) -> None:
    """Refused unless the database found is this environment's; remembered if it is the first."""
    if not is_known(site, found):
        _identities(site).remember(site.environment, _identity(found))


def remember(site: Site, found: Identity) -> None:
    """Take a database as the environment's, after a guard has let it through."""
    if _identities(site).known().get(site.environment) != found:
        _identities(site).remember(site.environment, found)


def is_known(site: Site, found: Source) -> bool:
    """Whether the database found is the one remembered; Refused when it cannot be this environment's."""
    return is_own(site, _identity(found))


def is_own(site: Site, found: Identity) -> bool:
    """As `is_known`, of an identity: the database of a restore need not be there to be asked."""
    return judging.judge(site.environment, found, _identities(site).known())


def identity(site: Site, *, accept: bool) -> Identity:
    """The database that the environment's URL leads to, if it is the environment's own.

    With `accept` it is taken as the environment's from now on, unless it is another environment's.
    Refused (3) otherwise.
    """
    with site.database().connect() as connection:
        found = source.facts(connection)
    identities, here = _identities(site), _identity(found)
    if accept:
        others = {name: known for name, known in identities.known().items() if name is not site.environment}
        judging.judge(site.environment, here, others)
        identities.remember(site.environment, here)
    elif not judging.judge(site.environment, here, identities.known()):
        raise Refused(
            f"{site.environment} has no database yet. Its URL leads to {here}.",
            hint="The first backup takes it, or make identity ACCEPT=1.",
        )
    return here


def _identities(site: Site) -> Identities:
    return Identities(site.desk.settings.state_dir / "identities.json")


def _identity(found: Source) -> Identity:
    return Identity(found.system_identifier, found.database)
