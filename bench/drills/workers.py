"""Two workers over many channels: the joins keep to the budget; one is killed and one is added, and nothing is missing.

python -m bench.drills.workers [--channels 2000] [--rate 400] [--joins 400]
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import Counter

from bench import ground
from bench.drills.ground import Ground, drill, now_ms
from store.session import Session
from store.workers import Workers

_WINDOW_SECONDS = 10.0
_SLACK_SECONDS = 0.3  # the server notes a join a little later than the worker sends it


async def run(rate: float, channels: int, joins: int) -> None:
    async with drill(rate, channels) as tried:
        row: dict[str, object] = {"channels": channels}
        begun = time.monotonic()
        one = tried.worker("one", irc_joins_per_10s=joins)
        await until_read(tried, {"one": channels})
        row["seconds to join"] = time.monotonic() - begun
        row["joins in 10 s at most"] = most_in_window([at for at, _ in tried.server.joins])
        row["allowed"] = joins
        two = tried.worker("two", irc_joins_per_10s=joins)
        await until_read(tried, {"one": channels, "two": channels})
        from_ms = now_ms()
        await asyncio.sleep(5)
        one.kill()
        killed = time.monotonic()
        row["moved by the kill"] = len(tried.server.joins) - 2 * channels
        await asyncio.sleep(10)
        three = tried.worker("three", irc_joins_per_10s=joins)
        await until_read(tried, {"two": channels, "three": channels})
        row["seconds until all are read twice again"] = time.monotonic() - killed
        to_ms = now_ms()
        await asyncio.sleep(3)
        await tried.caught_up(to_ms)
        for worker in (two, three):
            worker.look()
            worker.stop()
        verdict = await tried.verdict([(from_ms, to_ms)])
        row |= {"worker MiB": three.most_memory / 2**20, **verdict.row()}
    ground.report("workers", [row], f"{rate:,.0f} lines a second in all; redundancy 2.")
    verdict.hold()


async def until_read(tried: Ground, wanted: dict[str, int]) -> None:
    """Wait until each worker says that it reads so many channels."""
    session = await Session.open(tried.settings)
    rows = await Workers.open(session)
    while {worker.name: len(worker.reading) for worker in await rows.all()} != wanted:
        await asyncio.sleep(0.2)
    await session.close()


def most_in_window(times: list[float]) -> int:
    counts = Counter[int]()
    for first, begin in enumerate(times):
        counts[first] = sum(begin <= at < begin + _WINDOW_SECONDS - _SLACK_SECONDS for at in times[first:])
    return max(counts.values(), default=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channels", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=400)
    parser.add_argument("--joins", type=int, default=400, help="joins in ten seconds; Twitch allows 20")
    options = parser.parse_args()
    asyncio.run(run(options.rate, options.channels, options.joins))


if __name__ == "__main__":
    main()
