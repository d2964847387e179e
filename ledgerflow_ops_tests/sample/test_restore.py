"""A dump of the sample has the size of a real one, and is restored completely."""

from pathlib import Path

import psycopg

from ledgerflow_ops.sample import install
from ledgerflow_ops_tests.sample.databases import another_database, broken_rules, contents, dump, restore

_OWNERS_AND_GRANTS = """
    SELECT oid::regclass::text, relowner::regrole::text, relrowsecurity, ARRAY(
        -- No list at all means the owner's own rights, which a restored copy may have written out.
        SELECT acl::text FROM unnest(coalesce(relacl, acldefault('r', relowner))) AS acl ORDER BY 1)
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm') ORDER BY 1
"""


def test_dump_has_the_size_of_the_real_one(empty_database: str, tmp_path: Path) -> None:
    file = tmp_path / "sample.dump"
    with psycopg.connect(empty_database) as connection:
        install(connection)
    dump(empty_database, file)
    assert 100_000 <= file.stat().st_size <= 250_000


def test_dump_restores_equal(empty_database: str, tmp_path: Path) -> None:
    file = tmp_path / "sample.dump"
    with psycopg.connect(empty_database) as source, another_database(empty_database) as restored:
        install(source)
        dump(empty_database, file)
        restore(file, restored)
        assert contents(restored) == contents(empty_database)
        with psycopg.connect(restored) as copy:
            assert (
                copy.execute(_OWNERS_AND_GRANTS).fetchall() == source.execute(_OWNERS_AND_GRANTS).fetchall()
            )
            assert broken_rules(copy) == set()
