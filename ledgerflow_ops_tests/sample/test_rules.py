"""Each rule detects the violation that it is meant for, and nothing else."""

import psycopg
import pytest

from ledgerflow_ops.sample import RULES, install
from ledgerflow_ops_tests.sample.databases import broken_rules

# One small damage each, of a kind that no constraint of the schema would have to notice.
_DAMAGES = {
    "migrations_present": "DELETE FROM public.django_migrations WHERE name = '0008_office_notes'",
    "no_orphan_classification": """
        UPDATE public.profiles_transactionclassification SET category_id = 4711 WHERE id = 1""",
    "transactions_classified": """
        UPDATE public.profiles_transactionclassification SET is_current = false WHERE transaction_id = 1""",
    "amounts_sum_per_statement": """
        UPDATE public.profiles_statementfile
        SET total_amount = total_amount + 0.01, closing_balance = closing_balance + 0.01 WHERE id = 1""",
    "statement_hashes_unique": """
        UPDATE public.profiles_statementfile AS copy SET file_hash = original.file_hash
        FROM public.profiles_statementfile AS original WHERE copy.id = 2 AND original.id = 1""",
    "journals_balance": """
        UPDATE public.profiles_journalline SET amount = amount - 1 WHERE journal_id = 1 AND position = 2""",
    "bank_accounts_agree": """
        UPDATE public.profiles_journalline SET amount = amount * 2 WHERE journal_id = 1""",
}


@pytest.mark.parametrize("rule", [rule.name for rule in RULES])
def test_rule_notices_its_damage_alone(empty_database: str, rule: str) -> None:
    with psycopg.connect(empty_database) as connection:
        install(connection)
        connection.execute("SET session_replication_role = replica")
        assert connection.execute(_DAMAGES[rule].encode()).rowcount > 0
        assert broken_rules(connection) == {rule}
        connection.rollback()
        assert broken_rules(connection) == set()


@pytest.mark.parametrize(
    ("table", "rules"),
    [
        (
            "profiles_transaction",
            {
                "no_orphan_classification",
                "transactions_classified",
                "amounts_sum_per_statement",
                "bank_accounts_agree",
            },
        ),
        ("profiles_statementfile", {"amounts_sum_per_statement"}),
        ("profiles_journalline", {"bank_accounts_agree"}),
        ("django_migrations", {"migrations_present"}),
    ],
)
def test_emptied_table_is_noticed(empty_database: str, table: str, rules: set[str]) -> None:
    with psycopg.connect(empty_database) as connection:
        install(connection)
        connection.execute("SET session_replication_role = replica")
        connection.execute(f"DELETE FROM public.{table}".encode())
        assert broken_rules(connection) == rules
