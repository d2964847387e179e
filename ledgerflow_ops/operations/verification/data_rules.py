"""Checks an environment's data rules in a restored copy."""

from collections.abc import Sequence

import psycopg

from ledgerflow_ops.adapters.connection.database import Connection, Database
from ledgerflow_ops.adapters.load import statistics
from ledgerflow_ops.core.catalog.data_rules import DataRule, held_sentence
from ledgerflow_ops.core.checks import Check, failed, passed
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.errors import CannotJudge
from ledgerflow_ops.core.hints import Hint

_STATISTICS = "SET default_statistics_target = 10"
"""A restored database has no statistics, and joins planned without any are slow. A small sample suffices."""


def check_rules(copy: Database, rules: Sequence[DataRule]) -> list[Check]:
    """The check of all rules, run read-only. CannotJudge (5) when one of them cannot be run."""
    broken = []
    with copy.connect() as connection:
        if rules:
            connection.execute(_STATISTICS)
            statistics.analyze(connection)
        connection.execute("SET default_transaction_read_only = on; SET search_path = public")
        for rule in rules:
            answer = _rule_result(connection, rule)
            if answer != rule.expect:
                broken.append(f"  {rule.name}: expected {rule.expect}, found {answer}")
    if not broken:
        return [passed("data_rules", held_sentence(len(rules)))]
    do_not_hold = "do not hold" if len(rules) > 1 else "does not hold"
    message = f"{len(broken)} of {count_of(len(rules), 'data rule')} {do_not_hold}:\n" + "\n".join(broken)
    hint = Hint("The backup is a faithful copy; the data itself is wrong. Check the source's rows.")
    return [failed("data_rules", "rules", message, hint)]


def _rule_result(connection: Connection, rule: DataRule) -> str:
    """What the rule's SQL returns, as PostgreSQL prints it; CannotJudge when it cannot be run."""
    hint = Hint("Fix its SQL in ledgerflow.toml.")
    try:
        answer = connection.execute(rule.sql.encode()).pgresult
    except psycopg.Error as error:
        reason = error.diag.message_primary or error
        raise CannotJudge(f"The data rule {rule.name!r} cannot be run: {reason}", hint=hint) from None
    if answer is None or answer.nfields != 1:
        raise CannotJudge(f"The data rule {rule.name!r} does not return one value.", hint=hint)
    if not answer.ntuples:
        return "no row"
    value = answer.get_value(0, 0)
    return "NULL" if value is None else value.decode("utf-8", "replace")
