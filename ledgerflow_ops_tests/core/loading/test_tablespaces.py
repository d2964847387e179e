"""The tablespaces of objects, read from an archive's DDL, and those that a server lacks."""

from ledgerflow_ops.core.loading import tablespaces
from ledgerflow_ops.core.loading.tablespaces import PlacedObject

DDL = b"""--
-- Name: t; Type: TABLE; Schema: public; Owner: o; Tablespace: ts 2
--
-- Name: u; Type: TABLE; Schema: public; Owner: o
--
-- Name: t t_pkey; Type: CONSTRAINT; Schema: public; Owner: o; Tablespace: ts1
--
    -- Name: x; Type: TABLE; Schema: public; Owner: o; Tablespace: in_a_body
-- Name: f(); Type: FUNCTION; Schema: public; Owner: o; Tablespace: none
"""


def test_places_are_read_from_the_comments_above_objects() -> None:
    assert tablespaces.placed_objects(DDL) == [
        PlacedObject("TABLE", "public", "t", "ts 2"),
        PlacedObject("CONSTRAINT", "public", "t t_pkey", "ts1"),
    ]


def test_what_cannot_be_kept_in_its_place_is_named() -> None:
    found = tablespaces.placed_objects(DDL)
    assert tablespaces.unavailable_tablespaces(found, "ts1", {"ts1", "ts 2"}) == set()
    assert list(tablespaces.tablespace_notes(found, None, {"ts1", "ts 2"})) == []
    first, second = tablespaces.tablespace_notes(found, "own", {"ts1"})
    assert "no tablespace own" in first.message
    assert "the database itself will be in the default one" in first.message
    assert "public.t will be in the default one" in second.message
    many = [PlacedObject("TABLE", "s", f"t{number}", "gone") for number in range(9)]
    (note,) = tablespaces.tablespace_notes(many, None, set())
    assert "s.t4 and 4 more" in note.message
