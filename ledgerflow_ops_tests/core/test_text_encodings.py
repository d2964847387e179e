"""PostgreSQL's names for encodings, and bytes that are no text in theirs."""

import codecs
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledgerflow_ops.core.catalog.manifest import RoleFacts
from ledgerflow_ops.core.text_encodings import codec, declared, decode, encode, is_text


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("UTF8", "utf-8"),
        ("LATIN1", "latin-1"),
        ("LATIN9", "iso8859-15"),
        ("ISO_8859_5", "iso8859-5"),
        ("WIN1252", "cp1252"),
        ("WIN866", "cp866"),
        ("KOI8R", "koi8-r"),
        ("KOI8U", "koi8-u"),
        ("EUC_JP", "euc_jp"),
        ("SQL_ASCII", "latin-1"),
        ("MULE_INTERNAL", "latin-1"),
    ],
)
def test_an_encoding_has_pythons_codec(encoding: str, name: str) -> None:
    assert codecs.lookup(codec(encoding)).name == codecs.lookup(name).name


def test_a_script_declares_its_encoding_or_none() -> None:
    assert declared(b"-- x\nSET client_encoding = 'WIN1252';\n") == "cp1252"
    assert declared(b"SET standard_conforming_strings = on;\n") is None


def test_bytes_that_are_no_text_are_printed_and_come_back() -> None:
    assert decode(b"j\xfcrgen", "utf-8") == "j\N{REPLACEMENT CHARACTER}FCrgen"
    assert encode("j\N{REPLACEMENT CHARACTER}FCrgen", "utf-8") == b"j\xfcrgen"
    assert not is_text(decode(b"j\xfcrgen", "utf-8"))
    assert is_text(decode("jürgen".encode(), "utf-8"))


_ENCODINGS = ["UTF8", "SQL_ASCII", "LATIN1", "WIN1252", "EUC_JP", "EUC_KR", "EUC_CN", "JOHAB", "EUC_TW"]


@given(data=st.binary(max_size=12), encoding=st.sampled_from(_ENCODINGS))
@example(data="\N{REPLACEMENT CHARACTER}FC".encode(), encoding="UTF8")
@example(data="\N{REPLACEMENT CHARACTER}FC".encode() + b"\xfc", encoding="UTF8")
@example(data=b"\xad\xa1", encoding="EUC_JP")  # a one in a circle: PostgreSQL has it, Python's codec not
@example(data=b"\x81\x8d", encoding="WIN1252")
@example(data=b"\xed\xa0\x80", encoding="UTF8")
def test_any_bytes_come_back_in_every_encoding_and_fit_into_a_record(data: bytes, encoding: str) -> None:
    text = decode(data, codec(encoding))
    assert encode(text, codec(encoding)) == data
    facts = RoleFacts(attributes=text, member_of=(text,))
    assert RoleFacts.model_validate(json.loads(json.dumps(facts.model_dump(mode="json")))) == facts
    text.encode()


@given(text=st.text(st.characters(codec="utf-8"), max_size=12))
def test_text_stays_as_it_is_unless_it_looks_like_an_escape(text: str) -> None:
    if is_text(text):
        assert decode(text.encode(), "utf-8") == text
