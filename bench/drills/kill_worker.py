"""A worker is killed again and again under load: what it received more than 100 ms before is not lost.

python -m bench.drills.kill_worker [--rate 2000] [--kills 5] [--redundancy 2]

With a redundancy of 2 another worker reads the same, and nothing at all is lost.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import tempfile
from pathlib import Path

from bench import ground
from bench.drills.ground import drill, now_ms
from ingest.spool_file import SpoolFile

_ALLOWED_MS = 100


async def run_redundant(rate: float, kills: int) -> None:
    async with drill(rate, channels=10) as tried:
        two = tried.worker("two", ingest_redundancy=2)
        begun = await tried.joined()
        for _ in range(kills):
            one = tried.worker("one", ingest_redundancy=2)
            await tried.joined(2)
            await asyncio.sleep(random.uniform(4, 8))
            await tried.killed(one)
        ended = now_ms()
        await tried.caught_up(ended)
        two.stop()
        verdict = await tried.verdict([(begun, ended)])
    ground.report(
        "kill_worker", [{"kills": kills, **verdict.row()}], f"SIGKILL of one of two, {rate:,.0f} lines a second."
    )
    verdict.hold()


async def run(rate: float, kills: int) -> None:
    spans: list[tuple[int, int]] = []
    on_disk: list[int] = []
    async with drill(rate, channels=10) as tried:
        for _ in range(kills):
            worker = tried.worker()
            begun = await tried.joined()
            await asyncio.sleep(random.uniform(4, 8))
            killed = await tried.killed(worker)
            spans.append((begun, killed))
            on_disk.append(killed - newest_on_disk(tried.folder / "worker" / "spool"))
        last = tried.worker()
        begun = await tried.joined()
        await asyncio.sleep(3)
        await tried.caught_up(now_ms())
        last.stop()
        verdict = await tried.verdict(spans)
    ages = [
        killed - sent
        for times in verdict.missing.values()
        for sent in times
        for begun, killed in spans
        if begun <= sent <= killed
    ]
    row = {
        "kills": kills,
        **verdict.row(),
        "said at most, ms before the kill": max(ages, default=0),
        "newest received line on disk, ms before the kill": max(on_disk),
    }
    ground.report("kill_worker", [row], f"SIGKILL under {rate:,.0f} lines a second in ten channels, then a restart.")
    assert max(ages, default=0) <= _ALLOWED_MS, "lines are missing that were said earlier than the drill allows"


def newest_on_disk(folder: Path) -> int:
    """Give when the newest line was received that a killed worker had brought to disk, Unix milliseconds."""
    with tempfile.TemporaryDirectory() as copy:
        file = SpoolFile(Path(shutil.copytree(folder, Path(copy) / "spool")) / "spool-1.sqlite")
        newest = max(line.received_ms or 0 for group in file.after(0, 10_000_000) for line in group.lines)
        file.close()
    return newest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=2000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--redundancy", type=int, choices=(1, 2), default=1)
    options = parser.parse_args()
    drilled = run if options.redundancy == 1 else run_redundant
    asyncio.run(drilled(options.rate, options.kills))


if __name__ == "__main__":
    main()
