"""The data rules that hold in every LedgerFlow database, in the sample and in an enlarged one.

Each rule counts what contradicts it. Names include their schema, because a restored copy is queried with an
empty search path.
"""

from ledgerflow_ops.core.catalog.data_rules import DataRule

_MIGRATIONS_PRESENT = """
    SELECT count(*)
    FROM (VALUES ('auth', '0012_alter_user_first_name_max_length'),
                 ('sessions', '0001_initial'),
                 ('profiles', '0001_initial'),
                 ('profiles', '0008_office_notes')) AS needed (app, name)
    WHERE NOT EXISTS (SELECT FROM public.django_migrations AS applied
                      WHERE applied.app = needed.app AND applied.name = needed.name)
"""

_NO_ORPHAN_CLASSIFICATION = """
    SELECT count(*)
    FROM public.profiles_transactionclassification AS classification
    LEFT JOIN public.profiles_transaction AS transaction ON transaction.id = classification.transaction_id
    LEFT JOIN public.profiles_category AS category ON category.id = classification.category_id
    WHERE transaction.id IS NULL OR category.id IS NULL
"""

# An index ensures at most one current classification; nothing in the schema ensures at least one.
_TRANSACTIONS_CLASSIFIED = """
    SELECT (SELECT count(*) FROM public.profiles_transaction)
         - (SELECT count(*) FROM public.profiles_transactionclassification WHERE is_current)
"""

_AMOUNTS_SUM_PER_STATEMENT = """
    SELECT count(*)
    FROM public.profiles_statementfile AS statement
    FULL JOIN (SELECT statement_id, count(*) AS transactions, sum(amount) AS total
               FROM public.profiles_transaction GROUP BY statement_id) AS booked
        ON booked.statement_id = statement.id
    WHERE (statement.transaction_count, statement.total_amount)
          IS DISTINCT FROM (coalesce(booked.transactions, 0), coalesce(booked.total, 0))
"""

_STATEMENT_HASHES_UNIQUE = """
    SELECT count(*) - count(DISTINCT file_hash) FROM public.profiles_statementfile
"""

_JOURNALS_BALANCE = """
    SELECT count(*)
    FROM (SELECT FROM public.profiles_journalline GROUP BY journal_id HAVING sum(amount) <> 0) AS unbalanced
"""

_BANK_ACCOUNTS_AGREE = """
    SELECT count(*)
    FROM (SELECT profile_id, sum(amount) AS total
          FROM public.profiles_transaction GROUP BY profile_id) AS booked
    FULL JOIN (SELECT account.profile_id, sum(line.amount) AS total
               FROM public.profiles_journalline AS line
               JOIN public.profiles_account AS account ON account.id = line.account_id
               WHERE account.kind = 'bank' GROUP BY account.profile_id) AS posted USING (profile_id)
    WHERE booked.total IS DISTINCT FROM posted.total
"""

RULES: tuple[DataRule, ...] = (
    DataRule("migrations_present", _MIGRATIONS_PRESENT, "0"),
    DataRule("no_orphan_classification", _NO_ORPHAN_CLASSIFICATION, "0"),
    DataRule("transactions_classified", _TRANSACTIONS_CLASSIFIED, "0"),
    DataRule("amounts_sum_per_statement", _AMOUNTS_SUM_PER_STATEMENT, "0"),
    DataRule("statement_hashes_unique", _STATEMENT_HASHES_UNIQUE, "0"),
    DataRule("journals_balance", _JOURNALS_BALANCE, "0"),
    DataRule("bank_accounts_agree", _BANK_ACCOUNTS_AGREE, "0"),
)
