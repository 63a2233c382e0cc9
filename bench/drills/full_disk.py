"""The disk under the spool is full while Cassandra is away: an alarm, chat servers that wait, and nothing missing.

python -m bench.drills.full_disk [--rate 2000] [--mebibytes 48]

The disk is a small file system in memory, which needs root on Linux.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from bench import ground
from bench.drills.ground import drill, now_ms

_FULL_SECONDS = 30
_LONGEST_SECONDS = 300


async def run(rate: float, mebibytes: int) -> None:
    async with drill(rate, channels=10) as tried:
        tried.server.most_waiting_bytes = 1 << 30  # however long it has to wait, nothing of it is lost
        (tried.folder / "worker").mkdir()
        with small_disk(tried.folder / "worker" / "spool", mebibytes) as spool:
            address = f"127.0.0.1:{ground.free_port()}"
            worker = tried.worker(metrics_address=address)
            begun = await tried.joined()
            await asyncio.sleep(5)
            assert tried.node is not None
            await asyncio.to_thread(tried.node.stop)
            stopped = now_ms()
            async with asyncio.timeout(_LONGEST_SECONDS):
                while not worker.figure("spool_alarm"):
                    worker.look()
                    await asyncio.sleep(0.5)
            seconds_to_alarm = (now_ms() - stopped) / 1000
            for _ in range(_FULL_SECONDS):
                worker.look()
                await asyncio.sleep(1)
            free = psutil.disk_usage(str(spool)).free
            connections = tried.server.connections
            await asyncio.to_thread(tried.node.start)
            await tried.caught_up(now_ms())
            ended = now_ms()
            await tried.caught_up(ended)
            async with asyncio.timeout(_LONGEST_SECONDS):
                while worker.figure("spool_alarm"):
                    await asyncio.sleep(0.5)
            worker.stop()
        verdict = await tried.verdict([(begun, ended)])
    row = {
        "MiB of disk": mebibytes,
        "seconds until the alarm": seconds_to_alarm,
        "KiB free then": free / 1024,
        "connections then": connections,
        "worker MiB resident at most": worker.most_memory / 2**20,
        **verdict.row(),
    }
    ground.report("full_disk", [row], f"{rate:,.0f} lines a second; Cassandra away.")
    verdict.hold()


@contextlib.contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[Path]:
    """Give a folder on a file system of its own that holds only so much."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=2000)
    parser.add_argument("--mebibytes", type=int, default=48)
    options = parser.parse_args()
    if sys.platform != "linux" or os.geteuid():
        print("full_disk needs root on Linux, to make a small file system: left out")
        return
    asyncio.run(run(options.rate, options.mebibytes))


if __name__ == "__main__":
    main()
