"""How fast files go into an object store, compared with what its library does by itself."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import obstore
import psutil

from ledgerflow_ops.adapters.storage.objects import clients
from ledgerflow_ops.adapters.storage.objects.bucket import Bucket, Timeouts
from ledgerflow_ops.adapters.storage.objects.object_store import ObjectStore
from ledgerflow_ops_tests.bench_figures import Figure, console, listed, ratio, timed
from ledgerflow_ops_tests.fakes import object_servers

_MIB = 1024**2
_SIZE = 256
"""MiB of the file."""


def uploads(root: Path, rounds: int) -> list[Figure]:
    """Seconds of sending a file to SeaweedFS on loopback: ours is also hashed, and never overwrites."""
    chunk = bytes(range(256)) * (_MIB // 256)
    me, before, peak = psutil.Process(), 0, 0

    def chunks() -> Iterator[bytes]:
        for _ in range(_SIZE):
            yield bytes(memoryview(chunk))  # a new one each time, as when a file is read

    def bare(bucket: Bucket, number: int) -> None:
        client = clients.parts(bucket)
        obstore.put(client, f"bare/{number}", chunks(), use_multipart=True, chunk_size=bucket.part)

    def ours(bucket: Bucket, number: int) -> None:
        nonlocal peak
        with ObjectStore(bucket, "ours").create(f"{number}.dump") as file:
            for piece in chunks():
                file.write(piece)
                peak = max(peak, me.memory_info().rss)
            file.commit()

    with object_servers.s3_server(root / "s3") as server:
        bucket = server.bucket(part=16 * _MIB, timeouts=Timeouts())
        bare(bucket, -1)
        ours(bucket, -1)
        before = me.memory_info().rss
        theirs, spent = list[float](), list[float]()
        for number in range(rounds):
            theirs.append(timed(partial(bare, bucket, number)))
            spent.append(timed(partial(ours, bucket, number)))
    console.print(f"upload of {_SIZE} MiB: bare obstore {listed(theirs)} s, ours {listed(spent)} s")
    return [
        Figure("upload to an object store / a bare obstore client", ratio(spent, theirs), 1 / 0.9),
        Figure("memory of an upload beyond what the process had", max(0, peak - before) / _MIB, 128.0, "MiB"),
    ]
