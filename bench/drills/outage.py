"""Cassandra is stopped for minutes under load, then started: nothing is missing, memory stays small, it catches up.

python -m bench.drills.outage [--rate 1000] [--minutes 5]
"""

from __future__ import annotations

import argparse
import asyncio

from bench import ground
from bench.drills.ground import Ground, WorkerProcess, drill, now_ms


async def run(rate: float, minutes: float) -> None:
    async with drill(rate, channels=10) as tried:
        worker = tried.worker()
        begun = await tried.joined()
        watching = asyncio.create_task(watch(worker))
        await asyncio.sleep(20)
        assert tried.node is not None
        await asyncio.to_thread(tried.node.stop)
        stopped = now_ms()
        await asyncio.sleep(minutes * 60)
        await asyncio.to_thread(tried.node.start)
        back = now_ms()
        caught_up = await time_to_catch_up(tried)
        watching.cancel()
        worker.stop()
        verdict = await tried.verdict([(begun, back)])
    backlog = rate * (back - stopped + caught_up * 1000) / 1000
    row = {
        "minutes away": (back - stopped) / 60_000,
        "seconds to catch up": caught_up,
        "lines a second meanwhile": backlog / caught_up,
        "times the live rate": backlog / caught_up / rate,
        "worker MiB resident at most": worker.most_memory / 2**20,
        **verdict.row(),
    }
    ground.report("outage", [row], f"Cassandra stopped and started again at {rate:,.0f} lines a second.")
    verdict.hold()


async def watch(worker: WorkerProcess) -> None:
    while True:
        worker.look()
        await asyncio.sleep(0.2)


async def time_to_catch_up(tried: Ground) -> float:
    """Give the seconds until what is said is stored within two seconds."""
    clock = asyncio.get_running_loop().time
    begun = clock()
    while True:
        wanted = now_ms() - 2000
        await tried.caught_up(wanted)
        if now_ms() - wanted < 4000:
            return clock() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=1000)
    parser.add_argument("--minutes", type=float, default=5)
    options = parser.parse_args()
    asyncio.run(run(options.rate, options.minutes))


if __name__ == "__main__":
    main()
