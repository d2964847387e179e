"""A restore's plan, or all reasons against it at once."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.catalog.manifest import RoleFacts, Source
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.core.operation_requests import RestoreRequest
from ledgerflow_ops.core.restore.restore_plan import (
    Candidate,
    RestorePlan,
    needs_confirmation,
    plan_restore,
    space_needed,
)
from ledgerflow_ops.core.restore.restore_target import (
    Application,
    LiveDatabase,
    RequiredSpace,
    RestoreTarget,
    TargetServer,
    TargetSession,
)
from ledgerflow_ops_tests.core import records

DEV, PROD = Environment.DEV, Environment.PROD
ID = "20261123_101500_ab12"
NAME = BackupName("ledgerflow_dev_20261123_1300")
RUNNING = Application(("celery", "django"), "docker compose -p ledger-dev stop celery django")
SESSION = TargetSession("app", "gunicorn", datetime(2026, 11, 23, 9, tzinfo=UTC), "10.0.0.7")


def server(**fields: Any) -> TargetServer:
    known = {
        "version": "17.10",
        "major": 17,
        "account": "postgres",
        "superuser": True,
        "createdb": True,
        "createrole": True,
        "owns_live": True,
        "roles": dict(records.seal().roles),
        "extensions": frozenset({"pg_trgm"}),
        "locales": frozenset({"C"}),
    }
    return TargetServer(**{**known, **fields})


def live(relations: int = 30, **fields: Any) -> LiveDatabase:
    return LiveDatabase(records.manifest().source.model_copy(update=fields), relations)


def target(**fields: Any) -> RestoreTarget:
    known = {"database": "books", "server": server(), "live": live(), "sample": False, "sessions": ()}
    return RestoreTarget(**{**known, **fields})


def candidate(**fields: Any) -> Candidate:
    known = {
        "name": NAME,
        "manifest": records.manifest(),
        "rung": Rung.READABLE,
        "trouble": "",
    }
    return Candidate(**{**known, **fields})


def planned(
    request: RestoreRequest | None = None, rooms: tuple[RequiredSpace, ...] = (), **fields: Any
) -> RestorePlan:
    """A plan by force into a database that holds data, with changes to target and candidate."""
    aimed = target(**{name: value for name, value in fields.items() if name in RestoreTarget.__slots__})
    taken = candidate(**{name: value for name, value in fields.items() if name in Candidate.__slots__})
    return plan_restore(
        request or RestoreRequest(environment=DEV, file=NAME.dump, force=True), taken, aimed, rooms, ID
    )


def causes(found: RestorePlan) -> list[str]:
    return [reason.cause for reason in found.refusals]


def test_by_force_over_data_everything_is_done_in_order() -> None:
    found = planned()
    assert causes(found) == []
    assert [action.what.split()[0] for action in found.actions] == [
        "take", "restore", "compare", "ANALYZE", "carry", "swap", "check"
    ]  # fmt: skip
    assert found.restoring == f"books__restoring_{ID}"
    assert found.before == f"books__before_{ID}"
    assert found.require() is found.candidate.manifest


def test_into_an_absent_database_nothing_is_saved_and_nothing_swapped() -> None:
    found = planned(RestoreRequest(environment=DEV, file=NAME.dump), live=None)
    assert causes(found) == []
    assert [action.what for action in found.actions if "safety" in action.what or "swap" in action.what] == []


def test_an_empty_one_needs_no_force() -> None:
    assert causes(planned(RestoreRequest(environment=DEV, file=NAME.dump), live=live(0))) == []


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"trouble": "its SHA-256 differs."}, "file"),
        ({"rung": None}, "file"),
        ({"rung": Rung.DECRYPTED}, "file"),
        ({"manifest": None}, "manifest"),
        ({"manifest": records.manifest(environment=PROD)}, "environment"),
        ({"manifest": records.manifest(sample=True)}, "sample"),
        ({"server": server(major=16)}, "version"),
        ({"server": server(superuser=False, createdb=False)}, "rights"),
        ({"server": server(superuser=False, owns_live=False)}, "rights"),
        ({"server": server(superuser=False, createrole=False, roles={})}, "roles"),
        ({"server": server(extensions=frozenset())}, "extensions"),
        ({"live": live(encoding="LATIN1")}, "encoding"),
        ({"live": None, "server": server(locales=frozenset({"de_DE.utf8"}))}, "collation"),
    ],
)
def test_what_speaks_against_it_refuses_it(fields: dict[str, Any], cause: str) -> None:
    found = planned(**fields)
    assert cause in causes(found)
    with pytest.raises(Refused) as refusal:
        found.require()
    assert refusal.value.exit_code == 3
    assert str(refusal.value.hint).strip()
    assert "nothing was changed" in refusal.value.message


def test_without_force_sessions_and_data_refuse_and_both_are_reported() -> None:
    found = planned(RestoreRequest(environment=DEV, file=NAME.dump), sessions=(SESSION,))
    assert causes(found) == ["sessions", "not empty"]
    with pytest.raises(Refused) as refusal:
        found.require()
    assert "gunicorn as app from 10.0.0.7, since 2026-11-23 09:00:00 UTC" in refusal.value.message
    assert "holds 30 relations" in refusal.value.message


def test_a_running_application_refuses_a_restore_and_force_goes_on_and_says_so() -> None:
    gently, by_force = (
        RestoreRequest(environment=DEV, file=NAME.dump),
        RestoreRequest(environment=DEV, file=NAME.dump, force=True),
    )
    empty: dict[str, Any] = {"live": live(relations=0)}
    found = planned(gently, application=RUNNING, **empty)
    assert causes(found) == ["application"]
    with pytest.raises(Refused) as refusal:
        found.require()
    assert "The application of books is running: celery, django." in refusal.value.message
    assert RUNNING.stop in refusal.value.hint
    forced = planned(by_force, application=RUNNING)
    assert not causes(forced)
    (warning,) = forced.warnings
    assert warning.cause == "application"
    assert RUNNING.stop in warning.message
    for request in (gently, by_force):
        still = planned(request, application=Application(), **empty)
        assert not causes(still)
        assert not still.warnings


def test_everything_is_reported_at_once() -> None:
    poor = server(
        superuser=False, createdb=False, createrole=False, roles={}, extensions=frozenset(), major=15
    )
    full = (RequiredSpace("in /backups", 10, 9), RequiredSpace("on the server's disk", 10, 9))
    found = planned(
        RestoreRequest(environment=DEV, file=NAME.dump),
        full,
        server=poor,
        sessions=(SESSION,),
        trouble="cut",
        application=RUNNING,
    )
    assert set(causes(found)) == {
        "file", "sessions", "application", "not empty", "room", "version", "rights", "roles", "extensions"
    }  # fmt: skip
    assert causes(found).count("room") == 2


def test_room_that_cannot_be_seen_is_a_note_and_enough_is_nothing() -> None:
    assert causes(planned(rooms=(RequiredSpace("there", 10, 10),))) == []
    unseen = planned(rooms=(RequiredSpace("on the server's disk", 10, None),))
    assert (causes(unseen), [note.cause for note in unseen.warnings]) == ([], ["room"])


def test_what_only_a_superuser_may_make_is_named() -> None:
    objects = {"event trigger audited": records.seal().objects["table public.invoice"]}
    odd = records.manifest(seal=records.seal(objects=objects))
    found = planned(manifest=odd, server=server(superuser=False))
    assert ["event trigger audited" in reason.message for reason in found.refusals] == [True]
    assert causes(planned(manifest=odd)) == []


def test_changed_roles_and_another_order_of_text_are_notes() -> None:
    changed = server(roles={"owner": RoleFacts(attributes="SUPERUSER", member_of=())})
    found = planned(server=changed, live=live(collate="de_DE.utf8"))
    assert causes(found) == []
    assert [note.cause for note in found.warnings] == ["roles", "collation"]


@given(
    st.sampled_from(Environment),
    st.sampled_from([None, *Environment]),
    st.sampled_from(Environment),
    st.sampled_from(["", "prod", "dev", "test", "PROD", "yes", "1"]),
    st.booleans(),
)
def test_no_plan_lets_another_environments_data_in_unless_it_was_meant(
    environment: Environment, source: Environment | None, of: Environment, confirmed: str, force: bool
) -> None:
    request = RestoreRequest(
        environment=environment, file=NAME.dump, from_env=source, confirm=confirmed, force=force
    )
    found = planned(request, manifest=records.manifest(environment=of), live=None)
    meant = of is (source or environment)
    typed = environment is not PROD or of is PROD or confirmed == "prod"
    assert (causes(found) == []) == (meant and typed)
    assert found.request.environment == environment
    assert {found.restoring, found.before} == {f"books__restoring_{ID}", f"books__before_{ID}"}


def test_who_has_to_type_prod() -> None:
    own, other = records.manifest(environment=PROD), records.manifest(environment=DEV)
    assert not needs_confirmation(RestoreRequest(environment=PROD, file="x"), own)
    assert needs_confirmation(RestoreRequest(environment=PROD, file="x", from_env=DEV), other)
    assert needs_confirmation(RestoreRequest(environment=PROD, file="x"), other)
    assert not needs_confirmation(RestoreRequest(environment=DEV, file="x", from_env=PROD), own)


def test_room_is_at_least_twice_the_backup_and_what_the_database_takes() -> None:
    manifest = records.manifest()
    assert space_needed(manifest, 5_000_000, False) == (2 * 170_000, 10_000_000)
    assert space_needed(manifest, 5_000_000, True) == (2 * 170_000 + 5_000_000, 10_000_000)


def test_a_plan_reads_well_as_json() -> None:
    fields = planned().as_json()
    assert fields["file"] == NAME.dump
    assert fields["refusals"] == []
    assert {"what", "why"} == set(fields["actions"][0])
    assert isinstance(records.manifest().source, Source)
