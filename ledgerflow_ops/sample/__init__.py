"""The sample database: a LedgerFlow database for an environment without a database URL."""

from ledgerflow_ops.sample.grow import grow
from ledgerflow_ops.sample.install import install
from ledgerflow_ops.sample.rules import RULES

__all__ = ["RULES", "grow", "install"]
