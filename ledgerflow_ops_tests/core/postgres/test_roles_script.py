"""The roles script, taken apart."""

import pytest

from ledgerflow_ops.core.postgres.roles_script import (
    UnreadableScript,
    created_roles,
    decode_script,
    replayable,
    same_script,
    statements,
)

SCRIPT = """--
-- PostgreSQL database cluster dump; it's commented
--

\\restrict key

SET client_encoding = 'UTF8';

CREATE ROLE postgres;
ALTER ROLE postgres WITH SUPERUSER;
CREATE ROLE "Ann ""A""; the first";
CREATE ROLE plain;
COMMENT ON ROLE plain IS 'It''s; a comment
-- of two lines';
CREATE TABLESPACE fast OWNER postgres LOCATION '/mnt/fast';
ALTER TABLESPACE fast SET (random_page_cost=1);
GRANT CREATE ON TABLESPACE fast TO plain;
GRANT plain TO "Ann ""A""; the first" WITH INHERIT TRUE;

\\unrestrict key

-- done"""


def test_statements_are_whole_and_free_of_comments_and_commands() -> None:
    found = statements(SCRIPT)
    assert len(found) == 10
    assert found[0] == "SET client_encoding = 'UTF8'"
    assert "COMMENT ON ROLE plain IS 'It''s; a comment\n-- of two lines'" in found


def test_created_roles_are_named_without_their_quotes() -> None:
    assert created_roles(SCRIPT) == {"postgres", "plain", 'Ann "A"; the first'}


def test_the_bootstrap_role_and_tablespaces_are_not_replayed() -> None:
    found = replayable(SCRIPT, "postgres")
    assert "CREATE ROLE postgres" not in found
    assert "ALTER ROLE postgres WITH SUPERUSER" in found
    assert "CREATE ROLE plain" in found
    assert not [statement for statement in found if "TABLESPACE" in statement]
    assert replayable('CREATE ROLE "A b";\n', "A b") == []


@pytest.mark.parametrize("cut", ["CREATE ROLE a", 'CREATE ROLE "a;', "COMMENT ON ROLE a IS 'x;\n"])
def test_a_script_that_ends_inside_a_statement_raises(cut: str) -> None:
    with pytest.raises(UnreadableScript):
        statements("CREATE ROLE z;\n" + cut)


def test_a_script_of_comments_holds_nothing() -> None:
    assert statements("") == statements("-- only this") == []


def test_a_script_is_read_in_the_encoding_that_it_declares() -> None:
    latin = "SET client_encoding = 'LATIN1';\nCREATE ROLE \"bücher\";\n"
    assert decode_script(latin.encode("latin-1"), "UTF8") == latin
    assert decode_script('CREATE ROLE "bücher";\n'.encode(), "UTF8") == 'CREATE ROLE "bücher";\n'


def test_a_script_of_bytes_alone_is_read_as_its_source_is() -> None:
    script = b"SET client_encoding = 'SQL_ASCII';\nCREATE ROLE \"b\xc3\xbc\xfc\";\n"
    assert '"bü\N{REPLACEMENT CHARACTER}FC"' in decode_script(script, "UTF8")
    assert '"b\xc3\xbc\xfc"' in decode_script(script, "SQL_ASCII")


def test_two_scripts_are_the_same_but_for_comments_and_commands() -> None:
    script = SCRIPT.encode()
    assert same_script(
        script, script.replace(b"\\restrict key", b"\\restrict other").replace(b"-- done", b"-- Done")
    )
    assert not same_script(script, script.replace(b"CREATE ROLE plain;\n", b""))
    assert not same_script(script, script.replace(b"SUPERUSER", b"NOSUPERUSER"))
