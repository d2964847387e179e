"""Accepts what an audit found, on record: a person has looked, and says what is right from now on."""

from collections.abc import Iterator

from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import BadBackup, SettingsError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.history.chain import Fault
from ledgerflow_ops.core.history.entry import Kind, Statement
from ledgerflow_ops.operations import journal
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import audit, history_files, recording
from ledgerflow_ops.operations.history.audit import AuditReport

_OF_THE_CHAIN = ("edited", "order", "signature")
"""Faults of our own history itself: it cannot be continued."""


def accept(env: EnvironmentContext, why: str) -> AuditReport:
    """Record that what is in the folder now is right, for each fault of an audit; returns what was found.

    SettingsError (2) without a reason. A history that is itself damaged is moved aside, and a new one begins
    with the backups as they are.
    """
    if not why.strip():
        raise SettingsError(
            "Accepting what an audit found needs WHY=: whoever reads the history later wants to know.",
            hint=Hint(make("audit", env.environment, ACCEPT=1, WHY="removed by hand to free space")),
        )
    with journal.recorded(env, "audit accepted") as note:
        found = audit.audit(env, full=True)
        note["faults"] = [fault.message for fault in found.faults]
        if found.trouble:
            raise found.trouble
        if found.faults:
            if any(fault.kind in _OF_THE_CHAIN for fault in found.faults):
                history_files.set_aside(env)
            recording.record_accepted(env, [*_statements(env, found, why)])
        return found


def _statements(env: EnvironmentContext, found: AuditReport, why: str) -> Iterator[Statement]:
    """One statement for each backup that a fault is about: as it is now, or that it is gone."""
    by_file = {fault.file: fault for fault in found.faults if fault.file and fault.kind != "copied backup"}
    for file, fault in by_file.items():
        yield _statement(env, fault, file, why)


def _statement(env: EnvironmentContext, fault: Fault, file: str, why: str) -> Statement:
    name, gone = BackupName.of(file), Statement(kind=Kind.ACCEPTED, file=file, why=why)
    manifest = recording.file_sha256(env, name.manifest)
    if not manifest or not env.store.taken(file):
        return gone
    try:
        dump = Manifest.decode(env.store.record(name.manifest), name.manifest).dump.sha256
    except BadBackup:
        return gone
    if fault.kind == "dump":
        dump = env.store.content(file)[1]
    proof = recording.file_sha256(env, name.proof)
    return gone.model_copy(update={"manifest": manifest, "proof": proof, "dump": dump})
