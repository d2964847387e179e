"""Which call may run, with which backup and whose confirmation: each condition decides on its own."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.guard.effects import DataEffect, Effect, Judgement, reads
from ledgerflow_ops.guard.permit import ENVIRONMENTS, Answer, BackupState, PermitContext, Requirement, permit

FRESH = BackupState("b.dump", timedelta(minutes=5), "7001")
DROPS = DataEffect(Effect.DESTROYS, "it removes the volume v", "dev", ("v",), Hint("Leave out -v."))
DEV = reads("the project ledger-dev", "dev")


def _occasion(
    environment: str = "dev",
    confirmed: str = "dev",
    standing: BackupState = FRESH,
    behind: str = "7001",
) -> PermitContext:
    return PermitContext(environment, confirmed, standing, {"v": behind})


def test_destroying_needs_everything_at_once() -> None:
    verdict = permit(Judgement((DROPS,), (DEV,)), _occasion())
    assert verdict.allowed
    assert verdict.reason == "confirmed, and b.dump, 5 min old and proven valid, holds the data"


@pytest.mark.parametrize(
    ("occasion", "reason", "hint", "wanted"),
    [
        (
            _occasion(confirmed=""),
            "It removes the volume v.",
            "CONFIRM=dev before the command. Leave out",
            Requirement.CONFIRMATION,
        ),
        (_occasion(confirmed="prod"), "It removes the volume v.", "type dev", Requirement.CONFIRMATION),
        (_occasion(confirmed="yes"), "It removes the volume v.", "type dev", Requirement.CONFIRMATION),
        (_occasion(standing=BackupState()), "and dev has no proven backup.", "LEDGER_ENV=dev make backup",
         Requirement.BACKUP),
        (_occasion(standing=BackupState("b.dump", timedelta(minutes=61), "7001")),
         "b.dump, is 61 min old (at most 60 min).", "LEDGER_ENV=dev make backup", Requirement.BACKUP),
        (_occasion(standing=BackupState("b.dump", timedelta(days=9), "7001")), "is 9 days old", "make backup",
         Requirement.BACKUP),
        (_occasion(standing=BackupState("b.dump", timedelta(0), "7001", "the backups are kept in v")),
         "and the backups are kept in v.", "make doctor", Requirement.NOTHING),
        (_occasion(behind="7002"), "b.dump is of another database than the one in v.", "make identity",
         Requirement.NOTHING),
        (_occasion(behind=""), "whether b.dump is of the database in v cannot be determined.", "Start its",
         Requirement.NOTHING),
        (_occasion("prod", "prod"), "LEDGER_ENV is prod, but this is dev's: the project ledger-dev.",
         "If dev is what you mean: LEDGER_ENV=dev", Requirement.ENVIRONMENT),
        (_occasion(""), "LEDGER_ENV is not set; this is about dev.", "LEDGER_ENV=dev",
         Requirement.ENVIRONMENT),
        (_occasion("Dev"), "LEDGER_ENV is 'Dev'; this is about dev.", "LEDGER_ENV=dev",
         Requirement.ENVIRONMENT),
    ],
)  # fmt: skip
def test_without_one_of_them_it_is_refused(
    occasion: PermitContext, reason: str, hint: str, wanted: Requirement
) -> None:
    verdict = permit(Judgement((DROPS,), (DEV,)), occasion)
    assert not verdict.allowed
    assert reason in verdict.reason
    assert hint in verdict.hint
    assert (verdict.wanted, verdict.losses) == (wanted, ("it removes the volume v",))


def test_prod_is_not_destroyed_whatever_is_said() -> None:
    touch = DataEffect(Effect.DESTROYS, "it removes the volume v", "prod", ("v",), Hint("Leave out -v."))
    verdict = permit(Judgement((touch,)), _occasion("prod", "prod"))
    assert (verdict.allowed, str(verdict.hint)) == (False, "Leave out -v.")
    assert verdict.reason == "In prod a known loss is refused: it removes the volume v."


def test_what_is_nobodys_is_not_destroyed_either() -> None:
    touch = DataEffect(Effect.DESTROYS, "it removes the volume v", "", ("v",))
    for environment in ENVIRONMENTS:
        assert not permit(Judgement((touch,)), _occasion(environment, environment)).allowed
    assert "its environment cannot be determined" in permit(Judgement((touch,)), _occasion()).reason


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_changing_needs_the_backup_in_every_environment(environment: str) -> None:
    touch = DataEffect(Effect.UNCERTAIN, "in django it migrates", environment, ("v",))
    word = "prod" if environment == "prod" else ""
    assert permit(Judgement((touch,)), _occasion(environment, word)).answer is Answer.PASS
    assert permit(Judgement((touch,)), _occasion(environment, word, behind="")).answer is Answer.PASS
    for missing in (BackupState(), BackupState("b.dump", timedelta(hours=2), "7001")):
        verdict = permit(Judgement((touch,)), _occasion(environment, word, missing))
        assert (verdict.answer, verdict.wanted) == (Answer.INSURE, Requirement.BACKUP)
    assert permit(Judgement((touch,)), _occasion(environment, word, behind="7002")).answer is Answer.REFUSE


def test_in_prod_what_cannot_be_known_needs_the_name_as_well() -> None:
    touch = DataEffect(Effect.UNCERTAIN, "in django it migrates", "prod", ("v",))
    verdict = permit(Judgement((touch,)), _occasion("prod", ""))
    assert (verdict.answer, verdict.wanted) == (Answer.REFUSE, Requirement.CONFIRMATION)
    assert "type prod when asked, or put CONFIRM=prod" in verdict.hint


def test_what_nobodys_backup_insures_is_refused() -> None:
    verdict = permit(Judgement((DataEffect(Effect.UNCERTAIN, "in x it runs y", "", ("v",)),)), _occasion())
    assert verdict.answer is Answer.REFUSE
    assert "so no backup can insure it" in verdict.reason
    assert "com.ledgerflow.environment=dev" in verdict.hint


def test_what_cannot_be_told_is_refused_with_the_way_out() -> None:
    verdict = permit(Judgement(unknown="docker x is not a known command"), _occasion())
    assert not verdict.allowed
    assert verdict.reason == "Its effect cannot be determined: docker x is not a known command"
    assert "Write it as docker" in verdict.hint


def test_what_reads_is_nobodys_business_until_it_is_somebody_elses() -> None:
    assert permit(Judgement(), PermitContext("")).allowed
    assert not permit(Judgement(targets=(DEV,)), PermitContext("")).allowed
    assert not permit(Judgement(targets=(DEV, reads("the file .env.prod", "prod"))), _occasion()).allowed


_EFFECTS = st.lists(
    st.builds(
        DataEffect,
        st.sampled_from([Effect.UNCERTAIN, Effect.DESTROYS]),
        st.just("it does"),
        st.sampled_from(["", *ENVIRONMENTS]),
        st.sampled_from([(), ("v",), ("w",), ("v", "w")]),
    ),
    max_size=3,
)
_BACKUP_STATES = st.builds(
    BackupState,
    st.sampled_from(["", "b.dump"]),
    st.timedeltas(min_value=timedelta(0), max_value=timedelta(hours=3)),
    st.sampled_from(["7001", "7002"]),
    st.sampled_from(["", "its folder is gone"]),
)


@given(
    effects=_EFFECTS,
    environment=st.sampled_from(["", "x", *ENVIRONMENTS]),
    confirmed=st.sampled_from(["", "yes", *ENVIRONMENTS]),
    state=_BACKUP_STATES,
    behind=st.dictionaries(st.sampled_from(["v", "w"]), st.sampled_from(["", "7001", "7002"])),
)
def test_nothing_is_destroyed_without_a_fresh_backup_that_restores_it(
    effects: list[DataEffect], environment: str, confirmed: str, state: BackupState, behind: dict[str, str]
) -> None:
    context = PermitContext(environment, confirmed, state, behind)
    verdict = permit(Judgement(tuple(effects)), context)
    if not verdict.allowed:
        assert verdict.hint
        return
    for effect in effects:
        assert effect.environment in ("", environment)
        if effect.effect == Effect.DESTROYS or effect.environment:
            assert environment in ENVIRONMENTS
            assert state.backup
            assert not state.trouble
            assert state.age <= context.fresh
        if effect.effect == Effect.DESTROYS:
            assert environment != "prod"
            assert effect.environment == environment == confirmed
            assert all(behind.get(name) == state.identifier for name in effect.volumes)
