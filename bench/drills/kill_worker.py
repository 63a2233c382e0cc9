"""A worker is killed again and again under load: what it received more than 100 ms before is not lost.

python -m bench.drills.kill_worker [--rate 2000] [--kills 5]
"""

from __future__ import annotations

import argparse
import asyncio
import random

from bench import ground
from bench.drills.ground import drill, now_ms

_AGES_MS = (0, 20, 50, 100)


async def run(rate: float, kills: int) -> None:
    spans: list[tuple[int, int]] = []
    async with drill(rate, channels=10) as tried:
        for _ in range(kills):
            worker = tried.worker()
            begun = await tried.joined()
            await asyncio.sleep(random.uniform(4, 8))
            spans.append((begun, worker.kill()))
        last = tried.worker()
        begun = await tried.joined()
        await asyncio.sleep(3)
        await tried.caught_up(now_ms())
        last.stop()
        rows = []
        for age in _AGES_MS:
            found = await tried.missing([(begun, killed - age) for begun, killed in spans])
            rows.append({"received before the kill by, ms": age, **found})
    ground.report("kill_worker", rows, f"{kills} times SIGKILL at {rate:,.0f} lines a second in ten channels.")
    assert not any(value for name, value in rows[-1].items() if name.startswith("missing")), "lines are missing"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=2000)
    parser.add_argument("--kills", type=int, default=5)
    options = parser.parse_args()
    asyncio.run(run(options.rate, options.kills))


if __name__ == "__main__":
    main()
