"""What PostgreSQL's programs other than psql could do."""

from collections.abc import Callable, Sequence
from contextlib import suppress

from ledgerflow_ops.guard.inside import paths
from ledgerflow_ops.guard.inside.effects import Finding, Surroundings, changes, destroys, reads, unread, worst
from ledgerflow_ops.guard.inside.options import Parsed, Unreadable, parse

Program = Callable[[Sequence[str], Surroundings], Finding]

_CONNECTION = "h|host= p|port= U|username= w|no-password W|password V|version v|verbose ?|help "
_WHAT = """
    a|data-only c|clean C|create O|no-owner s|schema-only S|superuser= x|no-privileges|no-acl
    disable-triggers enable-row-security filter= if-exists no-comments no-publications no-security-labels
    no-subscriptions no-table-access-method no-tablespaces restrict-key= role= use-set-session-authorization
    section= strict-names no-policies no-schema no-data statistics-only with-statistics no-statistics
    statistics sequence-data
"""
_FORM = """
    binary-upgrade column-inserts|attribute-inserts disable-dollar-quoting extra-float-digits= inserts
    load-via-partition-root lock-wait-timeout= no-sync no-toast-compression no-unlogged-table-data
    on-conflict-do-nothing quote-all-identifiers rows-per-insert= E|encoding= f|file=
"""
OPTIONS = {
    "pg_dump": _CONNECTION
    + _WHAT
    + _FORM
    + """
    F|format= j|jobs= Z|compress= sync-method= b|blobs large-objects B|no-blobs no-large-objects
    e|extension= n|schema= N|exclude-schema= t|table= T|exclude-table= exclude-extension=
    exclude-table-and-children= exclude-table-data= exclude-table-data-and-children= include-foreign-data=
    serializable-deferrable snapshot= table-and-children= d|dbname=
    """,
    "pg_dumpall": _CONNECTION
    + _WHAT
    + _FORM
    + """
    g|globals-only r|roles-only t|tablespaces-only exclude-database= no-role-passwords d|dbname= l|database=
    """,
    "pg_restore": _CONNECTION
    + _WHAT
    + """
    d|dbname= f|file= F|format= l|list e|exit-on-error I|index= j|jobs= L|use-list= n|schema=
    N|exclude-schema= P|function= t|table= T|trigger= 1|single-transaction no-data-for-failed-tables
    transaction-size=
    """,
    "pg_basebackup": _CONNECTION
    + """
    D|pgdata= F|format= i|incremental= r|max-rate= R|write-recovery-conf t|target= T|tablespace-mapping=
    waldir= X|wal-method= z|gzip Z|compress= c|checkpoint= C|create-slot l|label= n|no-clean N|no-sync
    P|progress S|slot= manifest-checksums= manifest-force-encode no-estimate-size no-manifest no-slot
    no-verify-checksums sync-method= d|dbname= s|status-interval=
    """,
}

_DESTROY = {
    "dropdb": "drops the database",
    "dropuser": "drops the role",
    "pg_dropcluster": "drops the cluster",
    "initdb": "makes a new data folder",
    "pg_resetwal": "discards the write-ahead log",
    "pg_rewind": "overwrites a data folder",
    "pg_archivecleanup": "deletes archived write-ahead log",
    "pg_upgrade": "upgrades a data folder",
    "pg_createsubscriber": "turns a standby's data folder into a subscriber's",
    "pgbench": "empties and fills its tables, and runs scripts",
    "vacuumlo": "deletes large objects",
    "pg_receivewal": "writes into a folder",
    "pg_recvlogical": "consumes changes, which no other replication client then gets",
    "pg_combinebackup": "writes a data folder",
    "pg_test_fsync": "writes a file",
}
_CHANGE = {
    "createdb": "creates a database",
    "createuser": "creates a role",
    "vacuumdb": "vacuums",
    "reindexdb": "rebuilds indexes",
    "clusterdb": "rewrites tables in another order",
}
_READ = ("pg_isready", "pg_controldata", "pg_config", "pg_test_timing", "pg_verifybackup")
_ALSO_READ = ("oid2name", "pg_lsclusters", "pg_walsummary")
_CONTROL = {
    "status": reads("asks whether the server runs"),
    **dict.fromkeys(
        ("stop", "restart", "start", "reload", "promote", "logrotate"), changes("controls the server")
    ),
}


def _dump(given: Parsed, around: Surroundings) -> Finding:
    return worst(
        (paths.written(path, around) for path in given.values("file")), "dumps, and does not change data"
    )


def _restore(given: Parsed, around: Surroundings) -> Finding:
    if given.has("clean", "create"):
        return destroys("drops existing objects before it restores")
    outputs = [path for path in given.values("file") if path != "-"]
    written = worst((paths.written(path, around) for path in outputs), "reads an archive")
    if written.effect or given.has("list") or (given.has("file") and not given.has("dbname")):
        return written
    return changes("restores into a database")


def _basebackup(given: Parsed, around: Surroundings) -> Finding:
    if any(target not in ("blackhole", "client") for target in given.values("target")):
        return destroys("writes a base backup to a place on the server")
    moved = tuple(text.rpartition("=")[2] for text in given.values("tablespace-mapping"))
    for path in (*given.values("pgdata", "waldir"), *moved):
        finding = paths.written(path, around)
        if finding.effect:
            return finding
    return changes("creates a replication slot") if given.has("create-slot") else reads("takes a base backup")


_PARSED = {"pg_dump": _dump, "pg_dumpall": _dump, "pg_restore": _restore, "pg_basebackup": _basebackup}


def _by_options(name: str) -> Program:
    def program(args: Sequence[str], around: Surroundings) -> Finding:
        try:
            given = parse(args, OPTIONS[name])
        except Unreadable as trouble:
            return unread(f"{name} would get arguments that cannot be read: {trouble}")
        return _PARSED[name](given, around)

    return program


def _always(make: Callable[[str], Finding], why: str) -> Program:
    return lambda args, around: make(f"{why} {' '.join(arg for arg in args if arg[:1] != '-')}".rstrip())


def _pg_ctl(args: Sequence[str], around: Surroundings) -> Finding:
    """Its action decides; options that start other programs or choose other data do not pass."""
    del around
    try:
        given = parse(
            args,
            "D|pgdata= l|log= m|mode= t|timeout= s|silent w|wait W|no-wait c|core-files o|options= p=",
        )
    except Unreadable as trouble:
        return unread(f"pg_ctl would get arguments that cannot be read: {trouble}")
    if given.has("options", "p", "log") or len(given.operands) != 1:
        return destroys("controls the server in a way that is not read here")
    return _CONTROL.get(given.operands[0], destroys(f"pg_ctl {given.operands[0]}"))


def _pg_checksums(args: Sequence[str], around: Surroundings) -> Finding:
    del around
    spec = "c|check D|pgdata= d|disable e|enable f|filenode= N|no-sync P|progress v|verbose"
    with suppress(Unreadable):
        if not parse(args, spec).has("disable", "enable"):
            return reads("checks the checksums")
    return destroys("rewrites the checksums of the data folder")


def _pg_waldump(args: Sequence[str], around: Surroundings) -> Finding:
    del around
    if any(arg.startswith("--s") for arg in args):
        return destroys("writes pages into a folder")
    return reads("shows the write-ahead log")


def _pg_amcheck(args: Sequence[str], around: Surroundings) -> Finding:
    del around
    if any(arg.startswith("--i") for arg in args):
        return changes("installs an extension")
    return reads("checks tables and indexes")


PROGRAMS: dict[str, Program] = {
    **{name: _always(destroys, why) for name, why in _DESTROY.items()},
    **{name: _always(changes, why) for name, why in _CHANGE.items()},
    **{name: _always(reads, "only reads") for name in (*_READ, *_ALSO_READ)},
    **{name: _by_options(name) for name in OPTIONS},
    "pg_ctl": _pg_ctl,
    "pg_checksums": _pg_checksums,
    "pg_waldump": _pg_waldump,
    "pg_amcheck": _pg_amcheck,
}
