"""Which database an environment is, and when to refuse it."""

from collections.abc import Mapping
from dataclasses import dataclass

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Refused


@dataclass(frozen=True, slots=True)
class Identity:
    """A database of a server: the cluster's system identifier (set once by initdb) and the name."""

    system_identifier: str
    database: str

    def __str__(self) -> str:
        return f"database {self.database!r} of server {self.system_identifier}"


def judge(environment: Environment, found: Identity, known: Mapping[Environment, Identity]) -> bool:
    """Whether `found` is this environment's database, given what is `known`.

    Returns True when it is the remembered one, False when the environment has none yet and this one is
    free to be taken. Refused when it is another environment's, or not the one remembered.
    """
    for other, identity in known.items():
        if other is not environment and identity == found:
            raise Refused(
                f"LEDGER_ENV is {environment}, but its URL leads to {other}'s {found}.",
                hint=f"Mend LEDGER_{environment.upper()}_DATABASE_URL or compose; nothing was touched.",
            )
    remembered = known.get(environment)
    if remembered is not None and remembered != found:
        raise Refused(
            f"{environment} used to be {remembered}, but its URL now leads to {found}.",
            hint=f"If it has really moved: LEDGER_ENV={environment} make identity ACCEPT=1. "
            "If not, look before you do anything else: the old database may be gone.",
        )
    return remembered is not None
