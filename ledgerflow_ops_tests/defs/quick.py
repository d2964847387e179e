"""The project's definitions as the servers load them, with shorter waits, for the daemon of the tests."""

import os
from datetime import timedelta

from ledgerflow_ops import config
from ledgerflow_ops.core.schedule.nightly_plan import RetryPolicy
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops.defs.timing import Timing

SECOND = timedelta(seconds=1)
TIMING = Timing(
    RetryPolicy(
        grace=int(os.environ["QUICK_GRACE"]) * SECOND,
        wait=SECOND,
        longest_wait=3 * SECOND,
        attempts=40,
    ),
    retries=1,
    retry_delay=1,
    sensor_seconds=2,
    begin_seconds=20,
)

defs = build_definitions(config.load(), timing=TIMING)
