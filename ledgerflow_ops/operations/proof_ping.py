"""After a proof of the newest backup, and only then, calls the service that misses us when we are silent."""

from ledgerflow_ops.adapters import ping
from ledgerflow_ops.core.alerts import Finding, Level
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.operations import alerts, catalog
from ledgerflow_ops.operations.desk import Site
from ledgerflow_ops.operations.examination import Examination


def after(examination: Examination) -> None:
    """Call the environment's ping_url when this examination has proven its newest backup.

    Nothing that goes wrong here touches the backup, nor its proof: it is told, and is in the journal.
    """
    site = examination.site
    if site.location is not None or not examination.proven:
        return
    try:
        newest = next(iter(catalog.newest_first(site)), None)
        if newest is not None and newest.name == examination.name:
            _call(site, examination)
    except LedgerError as error:
        site.desk.reporter.say(f"the call of the ping_url is not on record: {error.message}")


def _call(site: Site, examination: Examination) -> None:
    """Call it and say what came of it. Where no address is set any more, nothing is wrong with it."""
    url, source = site.settings.pinged, f"ping:{site.environment}"
    if url is None:
        if alerts.said(site.desk, source).get(source):
            alerts.report(site.desk, source, [])
        return
    why = ping.ping(url)
    outcome = {"result": "failed", "error": why} if why else {"result": "ok"}
    fields = {"environment": str(site.environment), "file": examination.name.dump, **outcome}
    site.desk.journal("ping", fields)
    if why:
        site.desk.reporter.say(f"the ping_url of {site.environment} was called in vain: {why}")
    alerts.report(site.desk, source, _findings(examination, why))


def _findings(examination: Examination, why: str) -> list[Finding]:
    if not why:
        return []
    name = examination.site.environment
    text = (
        f"{examination.name.dump} is proven, but the service at ping_url was not told: {why}. "
        "It will miss us, although all is well."
    )
    return [Finding(name, "ping", "", Level.WARNING, text, f"LEDGER_ENV={name} make restore-test")]
