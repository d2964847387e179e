"""The versions by which Dagster decides that something is stale: of what a step makes, and of its result.

Dagster calls a materialization of an earlier code version stale. A commit that leaves what a step makes as it
was must not do that to the kept backups. So a code version is composed of the formats that the step writes,
which have numbers of their own, and of the names of the results that it records.

With a code version, Dagster computes the version of a result from it alone, and two backups of a day would
have the same one. So dump, drill and catalog say what their data is.
"""

from typing import TYPE_CHECKING

import dagster as dg

from ledgerflow_ops.core.catalog import manifest, proof
from ledgerflow_ops.defs.assets.catalog_table import COLUMNS
from ledgerflow_ops.defs.names import ARCHIVE, CATALOG, COVERAGE, DRILL, DRILL_CHECKS, DUMP, REPORT, ROTATION

if TYPE_CHECKING:
    import pandas as pd

    from ledgerflow_ops.operations.verification.examination import Examination

_PROOF = f"proof {proof.VERSION}: {' '.join(sorted(DRILL_CHECKS))}"

CODE_VERSIONS = {
    DUMP: f"manifest {manifest.VERSION}",
    DRILL: _PROOF,
    COVERAGE: _PROOF,
    ARCHIVE: f"copy of manifest {manifest.VERSION}",
    ROTATION: "plan 1",
    CATALOG: f"table: {' '.join(COLUMNS)}",
    REPORT: "page 1",
}
"""Name of an asset → its code version.

Rotation and report write no format with a number: raise theirs when an earlier plan or page no longer says
the same. Both are made again within a day.
"""


def dump_version(committed: manifest.Manifest) -> dg.DataVersion:
    """The version of a backup: the digest of its manifest, which names every byte of it."""
    return dg.DataVersion(committed.digest)


def drill_version(examination: "Examination") -> dg.DataVersion:
    """The version of a drill's result: how far it has proven which backup."""
    digest = examination.manifest.digest if examination.manifest else "no manifest"
    return dg.DataVersion(f"{examination.rung.word if examination.rung else 'nothing'}: {digest}")


def catalog_version(table: "pd.DataFrame") -> dg.DataVersion:
    """The version of the catalog: a digest of its rows."""
    import hashlib

    return dg.DataVersion(hashlib.sha256(table.to_csv(index=False).encode()).hexdigest())
