"""The one Definitions object, and nothing else."""

from ledgerflow_ops import config
from ledgerflow_ops.defs.build import build_definitions

defs = build_definitions(config.load())
