"""PostgreSQL's names for encodings."""

import codecs

import pytest

from ledgerflow_ops.core.encodings import codec, declared


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
