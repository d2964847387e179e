"""Writes an object and is killed at a step of it.

`python -m ledgerflow_ops_tests.fakes.killed_upload KIND SERVICE CREDENTIALS PREFIX STEP`: writes x.dump, the
11 MiB of DATA, and kills itself as the system would: `begun`, `sent` (while its parts are on their way),
`ended`, `synced`, `committed`, or `naming`: just before the request that gives the object its name. One that
is not killed ends with exit code 0.
"""

import os
import signal
import sys
from pathlib import Path

from ledgerflow_ops.adapters.storage.objects.bucket import Bucket, BucketKind, CredentialSource
from ledgerflow_ops.adapters.storage.objects.object_store import ObjectStore

DATA = bytes(range(256)) * (11 * 1024 * 4)


def main(kind: BucketKind, service: str, credentials: str, prefix: str, step: str) -> None:
    def reach(place: str) -> None:
        if place == step:
            os.kill(os.getpid(), signal.SIGKILL)

    keys, part = CredentialSource(Path(credentials)), 5 * 1024 * 1024
    account = service.rpartition("/")[2] if kind == "azure" else ""
    bucket = Bucket(kind, "backups", service, account, credentials=keys, part=part)
    with ObjectStore(bucket, prefix).create("x.dump") as file:
        reach("begun")
        file.write(DATA)
        reach("sent")
        file.end()
        reach("ended")
        file.sync()
        reach("synced")
        if step == "naming":
            sys.setprofile(lambda frame, event, argument: reach(_naming(frame.f_code.co_name)))
        file.commit()
        reach("committed")


def _naming(function: str) -> str:
    return "naming" if function == "publish" else ""


if __name__ == "__main__":
    main(*sys.argv[1:])  # type: ignore[arg-type]
