"""What a fresh sample holds, and that it holds the same every time."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.errors import DependentObjectsStillExist, DuplicateTable

from ledgerflow_ops.sample import install
from ledgerflow_ops_tests.sample.databases import another_database, broken_rules, contents, value

# What could change the contents of an install that trusted its session.
_FOREIGN_SESSION = (
    "-c timezone=Asia/Kolkata -c datestyle=SQL,DMY -c intervalstyle=iso_8601 -c search_path=pg_temp"
    " -c standard_conforming_strings=off -c client_encoding=LATIN1 -c bytea_output=escape"
)

# Each question is answered with true by the sample's catalogs.
_FEATURES = {
    "27 tables": """
        SELECT count(*) = 27 FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace""",
    "1,666 transactions": "SELECT count(*) = 1666 FROM profiles_transaction",
    "every table has rows": """
        SELECT bool_and((xpath('/row/n/text()', query_to_xml(
            format('SELECT count(*) AS n FROM (SELECT FROM %s LIMIT 1) AS first', oid::regclass),
            false, true, '')))[1]::text = '1')
        FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace""",
    "foreign keys": "SELECT count(*) > 20 FROM pg_constraint WHERE contype = 'f' AND conparentid = 0",
    "foreign keys wait for the commit": """
        SELECT bool_and(condeferrable AND condeferred) FROM pg_constraint WHERE contype = 'f'""",
    "serial and identity columns": """
        SELECT array_agg(DISTINCT deptype) @> '{a,i}' FROM pg_depend
        JOIN pg_sequence ON classid = 'pg_class'::regclass AND objid = seqrelid AND deptype IN ('a', 'i')""",
    "an identity column that is always generated": """
        SELECT count(*) > 0 FROM pg_attribute WHERE attidentity = 'a'""",
    "json": "SELECT jsonb_typeof(raw -> 'flags') = 'array' FROM profiles_transaction LIMIT 1",
    "numeric(14,2)": """
        SELECT format_type(atttypid, atttypmod) = 'numeric(14,2)' FROM pg_attribute
        WHERE attrelid = 'profiles_transaction'::regclass AND attname = 'amount'""",
    "a generated stored column": """
        SELECT attgenerated = 's' FROM pg_attribute
        WHERE attrelid = 'profiles_transaction'::regclass AND attname = 'direction'""",
    "values kept outside of their table": """
        SELECT pg_relation_size(reltoastrelid) > 0 FROM pg_class
        WHERE oid = '"Büro ""Notes"" Ledger"'::regclass""",
    "values kept compressed": '''
        SELECT bool_or(pg_column_size("the ""text""") < octet_length("the ""text""") / 2)
        FROM "Büro ""Notes"" Ledger"''',
    "a view": "SELECT count(*) = 24 FROM profiles_accountbalance",
    "a populated materialized view": """
        SELECT ispopulated AND (SELECT sum(transactions) = 1666 FROM profiles_monthlysummary)
        FROM pg_matviews WHERE matviewname = 'profiles_monthlysummary'""",
    "a trigger whose function quotes a COPY": r"""
        SELECT prosrc ~ '\nCOPY foo \(a\) FROM stdin;\n' FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
        WHERE tgname = 'profiles_payee_match_key'""",
    "the trigger has fired": "SELECT match_key = 'deutsche-bahn' FROM profiles_payee WHERE id = 5",
    "the tables belong to a role that cannot log in": """
        SELECT bool_and(pg_get_userbyid(relowner) = 'ledgerflow_app') AND NOT bool_or(rolcanlogin)
        FROM pg_class JOIN pg_roles ON pg_roles.oid = relowner
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')""",
    "the other role may read": """
        SELECT has_table_privilege('ledgerflow_readonly', 'profiles_transaction', 'SELECT')
           AND NOT has_table_privilege('ledgerflow_readonly', 'profiles_transaction', 'UPDATE')""",
    "a grant by column": """
        SELECT has_column_privilege('ledgerflow_readonly', 'auth_user', 'username', 'SELECT')
           AND NOT has_column_privilege('ledgerflow_readonly', 'auth_user', 'password', 'SELECT')""",
    "default privileges": "SELECT count(*) = 2 FROM pg_default_acl",
    "a large object that a row refers to": """
        SELECT bool_and(length(lo_get(content_oid)) = 5129) FROM profiles_document""",
    "an enum": "SELECT count(*) = 5 FROM pg_enum WHERE enumtypid = 'profiles_taskstate'::regtype",
    "a domain": "SELECT typtype = 'd' FROM pg_type WHERE oid = 'profiles_currency'::regtype",
    "a partitioned table with rows in each part": """
        SELECT count(*) = 3 AND sum(n) = 555
        FROM (SELECT count(*) AS n FROM profiles_auditlog GROUP BY tableoid) AS part""",
    "row-level security with a policy": """
        SELECT relrowsecurity AND polname = 'open notes only'
        FROM pg_class JOIN pg_policy ON polrelid = pg_class.oid""",
    "IN on varchar": """
        SELECT pg_get_constraintdef(oid) LIKE '%ANY ((ARRAY[%' FROM pg_constraint
        WHERE conname = 'profiles_account_kind_check'""",
    "comments, one quoting a COPY": r"""
        SELECT obj_description('profiles_transaction'::regclass) ~ '\nCOPY \S+ \(id, amount\) FROM stdin;'""",
    "a partial index": "SELECT count(*) > 1 FROM pg_index WHERE indpred IS NOT NULL",
    "an expression index": "SELECT count(*) > 0 FROM pg_index WHERE indexprs IS NOT NULL",
    "an extension, where the server has it": """
        SELECT (SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm')
             = (SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm')""",
    "names that need quotes": """
        SELECT count(*) = 21 FROM "Büro ""Notes"" Ledger" WHERE length("Überschrift") > 0""",
    "empty text and NULL": """
        SELECT count(*) FILTER (WHERE note = '') > 9 AND count(*) FILTER (WHERE note IS NULL) > 9
        FROM profiles_transaction""",
    "awkward text": r'''
        SELECT bool_and(EXISTS (
            SELECT FROM "Büro ""Notes"" Ledger" WHERE position(piece IN "the ""text""" || "select") > 0))
        FROM unnest(ARRAY[E'\t', E'\n', E'\r', E'\\', E'\\.', E'\\N', E'\'', '"', '🧾', E'e\u0301', E'\x01',
                          E'\nCOPY x (a) FROM stdin;', E'COPY x (a) FROM stdin;\n1\n\\.\n']) AS piece''',
    "an infinite date": "SELECT bool_or(valid_until = 'infinity') FROM profiles_classificationrule",
    "every sequence is past its rows": """
        SELECT nextval('profiles_transaction_id_seq') = 1667 AND nextval('profiles_auditlog_id_seq') = 1666
           AND nextval('"Büro ""Notes"" Ledger_Id_seq"') = 1210""",
}


def test_every_feature_is_there(empty_database: str) -> None:
    with psycopg.connect(empty_database) as connection:
        install(connection)
        assert [name for name, query in _FEATURES.items() if value(connection, query) is not True] == []


def test_reader_sees_open_notes_only(empty_database: str) -> None:
    with psycopg.connect(empty_database) as connection:
        install(connection)
        connection.execute("SET ROLE ledgerflow_readonly")
        assert value(connection, 'SELECT bool_or(confidential) FROM "Büro ""Notes"" Ledger"') is False


def test_rules_hold(empty_database: str) -> None:
    with psycopg.connect(empty_database) as connection:
        install(connection)
        assert broken_rules(connection) == set()


def test_two_installs_are_equal_whatever_the_session(empty_database: str) -> None:
    with another_database(empty_database) as other:
        with psycopg.connect(empty_database) as connection:
            install(connection)
        with psycopg.connect(make_conninfo(other, options=_FOREIGN_SESSION)) as connection:
            install(connection)
        assert contents(other) == contents(empty_database)


def test_connection_is_left_as_it_was(empty_database: str) -> None:
    with psycopg.connect(empty_database) as connection:
        install(connection)
        assert not connection.autocommit
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert value(connection, "SELECT current_user = session_user") is True
        assert value(connection, "SHOW search_path") == '"$user", public'


def test_failed_install_leaves_nothing(empty_database: str) -> None:
    with psycopg.connect(empty_database) as connection:
        connection.execute("CREATE MATERIALIZED VIEW profiles_monthlysummary AS SELECT 1 AS in_the_way")
        connection.commit()
        with pytest.raises(DuplicateTable):
            install(connection)
        assert value(connection, "SELECT to_regclass('public.auth_user') IS NULL") is True


def test_installs_at_the_same_time_share_the_roles(empty_database: str) -> None:
    def install_into(url: str) -> None:
        with psycopg.connect(url) as connection:
            install(connection)

    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        databases = [empty_database, *(stack.enter_context(another_database(empty_database)) for _ in "ab")]
        # They are still needed where some other database of the server holds a sample.
        with (
            psycopg.connect(empty_database) as connection,
            suppress(DependentObjectsStillExist),
        ):
            connection.execute("DROP ROLE IF EXISTS ledgerflow_app, ledgerflow_readonly")
        list(pool.map(install_into, databases))
        assert contents(databases[1]) == contents(databases[0]) == contents(databases[2])
