"""The order in which an archive's entries are loaded."""

from ledgerflow_ops.core.loading.load_order import definitions_stage, stages

LISTED = [
    b"; a comment",
    b"849; 1247 16386 TYPE public colour postgres",
    b"3400; 0 0 ACL public TABLE t owner",
    b"2416; 0 0 TABLE ATTACH public p0 postgres",
    b"2564; 0 16404 TABLE DATA public EVENT TRIGGER postgres",
    b"3200; 3466 16500 EVENT TRIGGER - e_ddl postgres",
    b"3201; 0 0 COMMENT - EVENT TRIGGER e_ddl postgres",
    b"3199; 2620 16450 TRIGGER public ev ev_log postgres",
    b"2100; 826 16384 DEFAULT ACL public DEFAULT PRIVILEGES FOR TABLES postgres",
    b"2600; 0 16420 MATERIALIZED VIEW DATA public m postgres",
]


def test_data_is_complete_before_anything_that_could_fire_and_event_triggers_come_last() -> None:
    data, constraints, triggers, grants, last = stages(LISTED)
    assert data.sections == ("pre-data", "data")
    assert constraints.sections == ("post-data",)
    assert data.entries == (b"849", b"2416", b"2564", b"3199")
    assert constraints.entries == (b"849", b"2416", b"2564")
    assert (triggers.entries, triggers.sections, triggers.parallel) == ((b"3199",), ("post-data",), False)
    assert (grants.entries, grants.sections) == ((b"3400", b"2100", b"2600"), ())
    assert (last.entries, last.parallel) == ((b"3200", b"3201"), False)
    assert last.list == b"3200;\n3201;\n"


def test_without_grants_and_event_triggers_there_are_two_stages() -> None:
    assert [stage.name for stage in stages(LISTED[:2])] == ["data", "constraints"]


def test_triggers_and_what_is_said_of_them_are_made_in_the_order_of_the_archive() -> None:
    """A partition's trigger is disabled after its creation; the archive may lack that dependency."""
    said = [
        b"3301; 0 0 COMMENT public TABLE t postgres",
        b"3202; 2620 16451 TRIGGER public aa_part tr postgres",
        b"3302; 0 0 COMMENT public TRIGGER tr ON zz postgres",
        b"3203; 2620 16452 TRIGGER public zz tr postgres",
        b"3204; 1259 16453 INDEX public i postgres",
    ]
    data, constraints, triggers = stages(said)
    assert data.entries == (b"3301", b"3202", b"3302", b"3203", b"3204")
    assert (constraints.entries, constraints.parallel) == ((b"3204",), True)
    assert triggers.entries == (b"3301", b"3202", b"3302", b"3203")
    assert [stage.entries for stage in stages([said[0], said[4]])] == [(b"3301", b"3204")] * 2


PARTITIONED = [
    b"849; 1259 16386 TABLE public p postgres",
    b"850; 0 0 TABLE ATTACH public p0 postgres",
    b"3100; 0 0 COMMENT public TABLE p postgres",
    b"3001; 2606 1 CONSTRAINT public p p_pkey postgres",
    b"3002; 1259 2 INDEX public p0_pkey postgres",
    b"3003; 0 0 INDEX ATTACH public p0_pkey postgres",
    b"3006; 2606 3 FK CONSTRAINT public r r_p_fkey postgres",
    b"3007; 0 0 COMMENT public CONSTRAINT r_p_fkey ON r postgres",
    b"3008; 1259 4 MATERIALIZED VIEW public m postgres",
    b"3009; 1259 5 INDEX public m_i postgres",
    b"3004; 0 0 INDEX ATTACH public p1_pkey postgres",
    b"3010; 2618 6 RULE public p r postgres",
]


def test_indexes_are_attached_one_by_one_before_what_needs_them() -> None:
    data, indexes, attached, constraints = stages(PARTITIONED)
    assert len(data.entries) == len(PARTITIONED)
    assert indexes.entries == (b"849", b"850", b"3001", b"3002", b"3008", b"3009")
    assert (attached.entries, attached.parallel) == ((b"3003", b"3004"), False)
    assert constraints.entries == (b"3100", b"3006", b"3007", b"3010")
    assert {stage.sections for stage in (indexes, attached, constraints)} == {("post-data",)}


def test_definitions_made_once_more_neither_fire_nor_read_nor_connect() -> None:
    more = [b"3500; 6100 16455 SUBSCRIPTION - s postgres", b"3501; 0 0 USER MAPPING - me SERVER x postgres"]
    made = definitions_stage([*LISTED, *more])
    assert made.entries == (b"849", b"2416", b"2564", b"3199")
    assert (made.sections, made.parallel) == (("pre-data", "post-data"), False)
