"""A manifest's files: names of any bytes, paths that stay inside their root, and where bytes are stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.catalog.files import (
    FileKind,
    assign_archives,
    bytes_to_store,
    candidate_archives,
    display_path,
    leaves_folder,
    member_name,
    needed_archives,
    points_outside,
    quoted,
    unquoted,
)
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops_tests.core.records import archive_facts, file_entry, files_state, manifest

OWN = "today.files.tar.zst"


@given(st.binary(max_size=60))
def test_a_name_of_any_bytes_comes_back_from_its_text(name: bytes) -> None:
    given_by_the_system = name.decode("utf-8", "surrogateescape")
    text = quoted(given_by_the_system)
    text.encode()
    assert unquoted(text) == given_by_the_system


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_a_name_of_any_text_comes_back_and_reads_as_it_is_without_backslashes(name: str) -> None:
    assert unquoted(quoted(name)) == name
    assert quoted(name) == name.replace("\\", "\\\\")


def test_what_is_printed_keeps_to_its_line() -> None:
    assert display_path("/a", "b\nc\x1b[31m") == "/a/b\\nc\\x1b[31m"
    assert display_path("/a", "") == "/a"


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "..", "a/.."])
def test_a_member_that_leaves_is_known(name: str) -> None:
    assert leaves_folder(name)


@pytest.mark.parametrize("name", ["x", "a/b", "..x/y", "a..b", "..."])
def test_a_member_that_stays_is_known(name: str) -> None:
    assert not leaves_folder(name)


def test_the_archive_knows_a_place_by_its_whole_path() -> None:
    assert member_name("/srv/media", "a/\\xe4") == "srv/media/a/\udce4"
    assert member_name("/srv/settings.env", "") == "srv/settings.env"


@pytest.mark.parametrize(
    ("path", "target", "outside"),
    [
        ("link", "file", False),
        ("a/link", "../file", False),
        ("a/link", "../../file", True),
        ("link", "..", True),
        ("link", "/etc/passwd", True),
        ("a/b/link", "../../c/../d", False),
        ("link", "a/../../x", True),
        ("link", "./a", False),
    ],
)
def test_a_link_that_leads_out_of_its_root_is_known(path: str, target: str, outside: bool) -> None:
    assert points_outside(path, target) is outside


class TestStoredOnce:
    first = files_state(("/m", "a", 10), ("/m", "b", 20), archive="first.files.tar.zst")

    def test_without_earlier_backups_all_is_stored(self) -> None:
        filing = assign_archives(self.first.entries, [], set(), OWN)
        assert {entry.archive for entry in filing.entries if entry.kind is FileKind.FILE} == {OWN}
        assert filing.needs == ()

    def test_what_an_intact_archive_has_is_not(self) -> None:
        changed = file_entry("/m", "b", 20, sha256="other")
        filing = assign_archives(
            [file_entry("/m", "a", 10), changed], [self.first], {self.first.archive}, OWN
        )
        assert [entry.archive for entry in filing.entries] == ["first.files.tar.zst", OWN]
        assert filing.needs == (self.first.archive,)

    def test_what_only_a_damaged_one_has_is_stored_again(self) -> None:
        assert assign_archives([file_entry("/m", "a", 10)], [self.first], set(), OWN).needs == ()

    def test_an_archive_is_named_that_has_the_bytes_never_one_that_refers_on(self) -> None:
        filing = assign_archives(
            self.first.entries, [self.first], {self.first.archive}, "second.files.tar.zst"
        )
        second = files_state(archive="second.files.tar.zst").model_copy(
            update={"entries": filing.entries, "needs": filing.needs}
        )
        third = assign_archives(
            self.first.entries, [second], candidate_archives(self.first.entries, [second]), OWN
        )
        assert third.needs == (self.first.archive,)

    @pytest.mark.parametrize(
        "entry",
        [file_entry("/n", "a", 10), file_entry("/m", "c", 10), file_entry("/m", "a", 11)],
    )
    def test_another_root_path_or_size_is_another_file(self, entry: object) -> None:
        assert candidate_archives([entry], [self.first]) == set()  # type: ignore[list-item]

    def test_a_time_does_not_make_it_another(self) -> None:
        later = file_entry("/m", "a", 10).model_copy(update={"mtime_ns": 7, "mode": 0o600})
        assert candidate_archives([later], [self.first]) == {self.first.archive}

    def test_room_is_asked_for_what_may_have_to_be_stored(self) -> None:
        sizes = {("/m", "a"): 10, ("/m", "b"): 21, ("/m", "c"): 5}
        assert bytes_to_store(sizes, [self.first]) == 26

    def test_an_archive_that_a_kept_backup_needs_is_still_needed(self) -> None:
        second = files_state(archive="second.files.tar.zst").model_copy(
            update={"needs": (self.first.archive,)}
        )
        assert needed_archives([second, None]) == {"first.files.tar.zst", "second.files.tar.zst"}
        assert needed_archives([None]) == set()


def test_a_manifest_without_files_is_written_as_before_there_were_any() -> None:
    """Proofs name the digest of their manifest: one of an earlier version must not become another."""
    assert b'"files"' not in manifest().encode()
    assert manifest().digest == "6c6c120f8405e6218daf1680748ccdaf11363e3f7c96a336827f6513c0e77c91"


def test_a_manifest_with_files_comes_back() -> None:
    whole = manifest(files=files_state(("/m", "a", 10)))
    assert Manifest.decode(whole.encode(), "x.manifest.json") == whole
    assert archive_facts("x.files.tar.zst").file in whole.encode().decode()
