"""Calls the ping_url after a proof of the newest backup. The service there alerts when no call comes."""

from ledgerflow_ops.adapters.services import heartbeat_ping
from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.alerting import alerts
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.verification.examination import Examination


def ping_after_proof(examination: Examination) -> None:
    """Call the environment's ping_url when this examination has proven its newest backup.

    A failure here changes neither the backup nor its proof: it is reported and journaled.
    """
    env = examination.env
    if env.location is not None or not examination.proven:
        return
    try:
        if env.settings.proof_ping_url is None:
            _close_alert(env)
        elif _is_newest(env, examination):
            _ping(env, examination, env.settings.proof_ping_url)
    except LedgerError as error:
        env.ctx.reporter.say(f"the call of the ping_url was not recorded: {error.message}")


def _is_newest(env: EnvironmentContext, examination: Examination) -> bool:
    newest = next(iter(catalog.newest_first(env)), None)
    return newest is not None and newest.name == examination.name


def _close_alert(env: EnvironmentContext) -> None:
    """Resolve the alert about a ping_url that is no longer set."""
    if alerts.findings_by_source(env.ctx, _source(env)).get(_source(env)):
        alerts.report(env.ctx, _source(env), [])


def _source(env: EnvironmentContext) -> str:
    return f"ping:{env.environment}"


def _ping(env: EnvironmentContext, examination: Examination, url: str) -> None:
    """Call `url` and report what came of it."""
    why = heartbeat_ping.ping(url)
    outcome = {"result": "failed", "error": why} if why else {"result": "ok"}
    fields = {"environment": str(env.environment), "file": examination.name.dump, **outcome}
    env.ctx.journal("ping", fields)
    if why:
        env.ctx.reporter.say(f"the call of {env.environment}'s ping_url failed: {why}")
    alerts.report(env.ctx, _source(env), _findings(examination, why))


def _findings(examination: Examination, why: str) -> list[Finding]:
    if not why:
        return []
    name = examination.env.environment
    text = (
        f"{examination.name.dump} is proven, but the call of the ping_url failed: {why}. "
        "Its service will alert although all is well."
    )
    return [Finding(name, "ping", "", Level.WARNING, text, Hint(make("restore-test", name)))]
