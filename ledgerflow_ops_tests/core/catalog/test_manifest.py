"""The manifest: comes back as it was written, or is refused."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.catalog.manifest import VERSION, Manifest, decode_sealed, encode_sealed
from ledgerflow_ops.core.errors import BadBackup
from ledgerflow_ops_tests.core.records import manifest, seal

FILE = "x.manifest.json"
WHOLE = manifest().encode()


def refused(data: bytes) -> BadBackup:
    with pytest.raises(BadBackup) as caught:
        Manifest.decode(data, FILE)
    assert caught.value.message.startswith(FILE)
    assert caught.value.hint
    assert caught.value.exit_code == 4
    return caught.value


@pytest.mark.parametrize("changes", [{}, {"globals": None}, {"seal": seal(content={"public.invoice": "a"})}])
def test_a_manifest_comes_back_from_its_file(changes: dict[str, Any]) -> None:
    made = manifest(**changes)
    again = Manifest.decode(made.encode(), FILE)
    assert again == made
    assert again.digest == made.digest
    assert again.encode() == made.encode()


def test_its_file_is_one_line_of_json_that_ends_with_its_digest() -> None:
    assert WHOLE.count(b"\n") == 1
    assert json.loads(WHOLE)["digest"] == manifest().digest
    assert WHOLE.endswith(f'"{manifest().digest}"}}\n'.encode())


@pytest.mark.parametrize("flipped", [0x01, 0x20, 0x80])
def test_every_edit_of_a_single_byte_is_refused(flipped: int) -> None:
    for place in range(len(WHOLE)):
        edited = bytearray(WHOLE)
        edited[place] ^= flipped
        with pytest.raises(BadBackup):
            Manifest.decode(bytes(edited), FILE)


def test_every_byte_lost_doubled_or_added_is_refused() -> None:
    for place in range(0, len(WHOLE), 3):
        for edited in (
            WHOLE[:place] + WHOLE[place + 1 :],
            WHOLE[: place + 1] + b" " + WHOLE[place + 1 :],
        ):
            with pytest.raises(BadBackup):
                Manifest.decode(edited, FILE)


def test_every_cut_is_refused() -> None:
    for end in range(len(WHOLE)):
        with pytest.raises(BadBackup):
            Manifest.decode(WHOLE[:end], FILE)


@given(st.binary(max_size=200))
def test_any_bytes_that_are_no_manifest_are_refused(data: bytes) -> None:
    refused(data)
    refused(WHOLE + data + b" ")


@pytest.mark.parametrize(
    "data", [b"", b"not JSON", b"{}", b"null", b"\xff\xfe", WHOLE.replace(b"\n", b"\r\n")]
)
def test_what_is_not_json_is_refused(data: bytes) -> None:
    assert "digest does not match" in refused(data).message


@pytest.mark.parametrize("text", [b"not JSON", b'{"a":', b'{"a":"\xff"', b"[1"])
def test_what_is_not_json_is_refused_even_under_a_right_digest(text: bytes) -> None:
    digest = hashlib.sha256(text).hexdigest().encode()
    refused(text + b',"digest":"' + digest + b'"}\n')


def test_a_newer_format_is_refused_not_guessed_at() -> None:
    fields = {**manifest().model_dump(mode="json"), "version": VERSION + 1, "novelty": True}
    error = refused(encode_sealed(fields))
    assert f"format {VERSION + 1}" in error.message
    assert "Upgrade" in error.hint


@pytest.mark.parametrize("change", [{"version": 0}, {"more": 1}, {"lsn": None}, {"environment": "PROD"}])
def test_fields_not_known_here_are_refused_and_named(change: dict[str, Any]) -> None:
    error = refused(encode_sealed({**manifest().model_dump(mode="json"), **change}))
    assert next(iter(change)) in error.message


def test_a_missing_field_is_refused_and_named() -> None:
    fields = manifest().model_dump(mode="json")
    del fields["recovery_point"]
    assert "recovery_point: Field required" in refused(encode_sealed(fields)).message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(
    st.dictionaries(
        st.text(min_size=1).filter(lambda key: key not in ("version", "digest")), JSON, min_size=1
    )
)
def test_any_sealed_record_comes_back(fields: dict[str, Any]) -> None:
    assert decode_sealed(encode_sealed(fields), FILE) == fields


def test_a_text_that_looks_like_the_end_does_not_end_a_record() -> None:
    made = manifest(globals_note='","digest":"0"}\n')
    assert Manifest.decode(made.encode(), FILE) == made


def test_the_digest_speaks_of_every_field() -> None:
    changes: list[dict[str, Any]] = [{"lsn": "0/0"}, {"sample": True}, {"durations": {}}, {"globals": None}]
    digests = {manifest(**change).digest for change in [{}, *changes]}
    assert len(digests) == len(changes) + 1


def test_sums_and_digests_of_the_whole_are_reported() -> None:
    assert manifest().rows == 3
    assert manifest().source.major == 17
    assert seal().depth == "counts and sums"
    assert seal(content={}).depth == "full"
    assert seal().schema_digest != seal(objects={}).schema_digest
