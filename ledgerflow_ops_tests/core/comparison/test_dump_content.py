"""The reader of a dump's text: the same contents however it is cut into chunks, and no half of them."""

from dataclasses import dataclass
from itertools import pairwise

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.catalog.manifest import Contents, SequenceState, TableContent
from ledgerflow_ops.core.comparison.dump_content import ContentReader, UnreadableText
from ledgerflow_ops.core.postgres.qualified_names import column_list
from ledgerflow_ops_tests.hypothesis_profiles import examples

HEAD = [
    b"--\n",
    b'-- PostgreSQL database dump; it\'s "commented"\n',
    b"--\n",
    b"\n",
    b"\\restrict aBc;'\n",
    b"SET client_encoding = 'UTF8';\n",
    b"SET check_function_bodies = false;\n",
    b"SELECT pg_catalog.set_config('search_path', '', false);\n",
]
ADVERSARIAL = (
    "\\.",
    "\\",
    ".",
    "",
    ";",
    "COPY public.other (a) FROM stdin;",
    "COPY public.other (a) FROM stdin;\n1\n\\.\n",
    "SELECT pg_catalog.setval('public.s', 1, true);",
    'it\'s "quoted"',
    "-- a comment",
    "\n\\.\n",
    "\r\n",
    "é€😀",
)


@dataclass(frozen=True)
class Dump:
    """A dump's text in whole pieces (it may only end between two of them), and what it holds."""

    pieces: tuple[bytes, ...]
    tables: dict[str, TableContent]

    @property
    def text(self) -> bytes:
        return b"".join(self.pieces)


def escaped(value: str | None) -> str:
    """A value as COPY's text format spells it."""
    if value is None:
        return "\\N"
    for sign, spelt in (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        value = value.replace(sign, spelt)
    return value


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def block(target: str, body: bytes) -> bytes:
    """A table's data as pg_dump prints it."""
    return f"COPY {target} FROM stdin;\n".encode() + body + b"\\.\n"


def facts(body: bytes, columns: str) -> TableContent:
    digest = xxhash.xxh3_128_hexdigest(body)
    return TableContent(rows=body.count(b"\n"), size=len(body), digest=digest, columns=columns)


def read(text: bytes, cuts: list[int] | None = None) -> Contents:
    """The contents of `text`, fed in the chunks between `cuts`."""
    reader = ContentReader()
    places = [0, *sorted(min(cut, len(text)) for cut in cuts or []), len(text)]
    for start, end in pairwise(places):
        reader.feed(text[start:end])
    return reader.close()


NAMES = st.one_of(
    st.sampled_from(
        ["plain", 'quo"te', "new\nline", "semi;colon", "it's", "Ümläut", "a.b", "--", "x (y)", "\\."]
    ),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=8),
)
VALUES = st.one_of(
    st.none(),
    st.sampled_from(ADVERSARIAL),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
)


@st.composite
def dumps(draw: st.DrawFn) -> Dump:
    """A dump of a few tables with awkward names and awkward data."""
    pieces, tables = list(HEAD), {}
    for number in range(draw(st.integers(0, 4))):
        width = draw(st.integers(0, 3))
        names = draw(st.lists(NAMES, min_size=width, max_size=width))
        rows = draw(st.lists(st.lists(VALUES, min_size=width, max_size=width), max_size=5))
        body = "".join("\t".join(map(escaped, row)) + "\n" for row in rows).encode()
        columns = f"({', '.join(map(quoted, names))})" if width else ""
        table = quoted(f"T{number}" + draw(NAMES))
        pieces += [b"--\n", block(f"public.{table} {columns}", body), b"\n"]
        tables[f"public.{table}"] = facts(body, column_list(names))
    return Dump(tuple(pieces), tables)


@given(dumps(), st.lists(st.integers(0, 600), max_size=30))
def test_any_chunking_gives_what_the_tables_hold(dump: Dump, cuts: list[int]) -> None:
    assert read(dump.text, cuts).tables == dump.tables


@given(dumps())
@examples(25)
def test_one_byte_at_a_time_gives_the_same_as_all_at_once(dump: Dump) -> None:
    assert read(dump.text, list(range(len(dump.text)))) == read(dump.text)


@given(dumps(), st.data())
def test_a_text_that_was_cut_is_read_only_where_a_whole_piece_ends(dump: Dump, data: st.DataObject) -> None:
    ends = {0}
    for piece in dump.pieces:
        ends.add(max(ends) + len(piece))
    cut = data.draw(st.integers(0, len(dump.text)))
    if cut in ends:
        read(dump.text[:cut])
    else:
        with pytest.raises(UnreadableText):
            read(dump.text[:cut])


def test_a_cut_inside_a_table_names_the_table() -> None:
    with pytest.raises(UnreadableText, match=r"inside the data of public\.invoice"):
        read(b"COPY public.invoice (id) FROM stdin;\n1\n2\n")


@pytest.mark.parametrize("end", [b"\\", b"\\.", b"1\n\\.", b"1\n\\.x\n", b"1"])
def test_half_an_end_of_a_table_is_no_end(end: bytes) -> None:
    with pytest.raises(UnreadableText, match="inside the data"):
        read(b"COPY public.invoice (id) FROM stdin;\n" + end)


@pytest.mark.parametrize(
    "rest", [b"SET a = 'x", b"SET a = 1;", b"SELECT 1", b"-- half a comment", b'COPY "a']
)
def test_a_cut_inside_a_statement_raises(rest: bytes) -> None:
    with pytest.raises(UnreadableText, match="inside a statement"):
        read(b"SET b = 2;\n" + rest)


def test_copy_like_lines_and_escaped_ends_are_data() -> None:
    body = "".join(escaped(value) + "\n" for value in ADVERSARIAL).encode()
    found = read(block("public.notes (text)", body) + block("public.next (id)", b"1\n"))
    assert found.tables == {
        "public.notes": facts(body, "(text)"),
        "public.next": facts(b"1\n", "(id)"),
    }
    assert found.tables["public.notes"].rows == len(ADVERSARIAL)
    assert not found.sequences


def test_an_empty_table_is_a_table_of_no_rows() -> None:
    assert read(block("public.empty (id)", b"")).tables == {"public.empty": facts(b"", "(id)")}


@pytest.mark.parametrize("rows", [0, 1, 2, 7])
def test_the_rows_of_a_table_without_columns_are_counted(rows: int) -> None:
    text = block("public.bare ", b"\n" * rows)
    for size in range(1, 6):
        found = read(text, list(range(0, len(text), size)))
        assert found.tables["public.bare"].rows == rows


def test_awkward_identifiers_are_kept_to_the_letter() -> None:
    target = '"My ""Schema""\n;"."Tä;ble\'s" ("co""l", "(x)")'
    found = read(block(target, b"1\t2\n"))
    assert list(found.tables) == ['"My ""Schema""\n;"."Tä;ble\'s"']
    assert found.tables['"My ""Schema""\n;"."Tä;ble\'s"'].columns == '("co""l", "(x)")'


def test_a_name_is_read_in_the_encoding_that_the_text_declares() -> None:
    text = b"SET client_encoding = 'LATIN1';\n" + 'COPY public."bücher" (id) FROM stdin;\n\\.\n'.encode(
        "latin-1"
    )
    assert list(read(text).tables) == ['public."bücher"']


def test_the_order_of_the_tables_does_not_matter_but_their_data_does() -> None:
    one, two = block("public.a (id)", b"1\n"), block("public.b (id)", b"2\n")
    assert read(one + two) == read(two + one)
    assert read(one + two) != read(block("public.a (id)", b"2\n") + block("public.b (id)", b"1\n"))


def test_sequences_are_read_with_their_value_and_whether_it_was_used() -> None:
    found = read(
        b"SELECT pg_catalog.setval('public.a_seq', 41, true);\n"
        b"SELECT pg_catalog.setval('public.b_seq', 1, false);\n"
        b"SELECT pg_catalog.setval('public.down', -7, true);\n"
        b'SELECT pg_catalog.setval(\'public."It\'\'s; a ""seq""\n"\', 9223372036854775807, true);\n'
    )
    assert found.sequences == {
        "public.a_seq": SequenceState(value=41, called=True),
        "public.b_seq": SequenceState(value=1, called=False),
        "public.down": SequenceState(value=-7, called=True),
        'public."It\'s; a ""seq""\n"': SequenceState(value=9223372036854775807, called=True),
    }


def large(oid: int, *parts: bytes) -> bytes:
    """A large object as pg_restore prints it."""
    writes = "".join(f"SELECT pg_catalog.lowrite(0, '\\x{part.hex()}');\n" for part in parts)
    return f"SELECT pg_catalog.lo_open('{oid}', 131072);\n{writes}SELECT pg_catalog.lo_close(0);\n\n".encode()


def test_large_objects_are_one_digest_over_ids_and_data() -> None:
    whole = read(b"BEGIN;\n\n" + large(10, b"abcdef") + large(11) + b"COMMIT;\n").large_objects
    assert whole.count == 2
    assert read(large(11) + large(10, b"abc", b"def")).large_objects == whole
    for other in (
        large(10, b"abcdeg") + large(11),
        large(10) + large(11, b"abcdef"),
        large(10, b"abcdef") + large(12),
        large(10, b"abcdef"),
    ):
        assert read(other).large_objects != whole


def test_large_objects_survive_any_chunking() -> None:
    text = large(10, b"a;b'c\n", b"\0") + large(2**32 - 1, bytes(range(256)))
    for size in (1, 2, 3, 7, 64):
        assert read(text, list(range(0, len(text), size))) == read(text)


def test_an_empty_text_holds_nothing() -> None:
    found = read(b"")
    assert (found.tables, found.sequences, found.large_objects.count) == ({}, {}, 0)
