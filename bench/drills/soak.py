"""Minutes of steady load, with a wave of bans and tags of 8 KiB in it: memory stays flat, nothing is missing.

python -m bench.drills.soak [--rate 1000] [--minutes 10]
"""

from __future__ import annotations

import argparse
import asyncio

from bench import ground
from bench.drills.ground import drill, now_ms
from ingest.demo import DemoChatServer
from store.reader import Log
from store.shapes import CHANNEL
from store.store import Store

_BANS = 1000


async def run(rate: float, minutes: float) -> None:
    async with drill(rate, channels=10) as tried:
        worker = tried.worker()
        begun = await tried.joined()
        memory = []
        for tenth in range(10):
            await asyncio.sleep(minutes * 6)
            memory.append(worker.look() / 2**20)
            if tenth == 5:
                told = misfortune(tried.server)
        ended = now_ms()
        await asyncio.sleep(2)
        await tried.caught_up(ended - 1000)
        worker.stop()
        verdict = await tried.verdict([(begun, ended - 1000)])
        store = await Store.open(tried.settings)
        log = Log(CHANNEL, (tried.server.chat.channel_id("drill0"),), begun)
        stored = {message.line async for some in store.reader.stream(log) for message in some}
        await store.close()
    row = {f"MiB after {minutes * (tenth + 1) / 10:g} min": value for tenth, value in enumerate(memory)}
    missing = len(told - stored)
    ground.report(
        "soak", [{**row, "bans and long lines missing": missing, **verdict.row()}],
        f"{rate:,.0f} lines a second in ten channels for {minutes:g} minutes.",
    )  # fmt: skip
    verdict.hold()
    assert not missing


def misfortune(server: DemoChatServer) -> set[str]:
    """Send a wave of bans in one second, and lines with 8 KiB of tags."""
    room, now = server.chat.channel_id("drill0"), now_ms()
    lines = [
        f"@room-id={room};target-user-id={5_000_000 + n};tmi-sent-ts={now + n % 1000} "
        f":tmi.twitch.tv CLEARCHAT #drill0 :spammer{n}"
        for n in range(_BANS)
    ] + [
        f"@badge-info=;badges=;color=;display-name=Long;emotes=;flags=;id=0000000{n}-0000-4000-8000-00000000000{n};mod=0;"
        f"room-id={room};subscriber=0;tmi-sent-ts={now};turbo=0;user-id=77;user-type=;zz-long={'x' * 8000} "
        f":long!long@long.tmi.twitch.tv PRIVMSG #drill0 :a long one"
        for n in range(10)
    ]
    for line in lines:
        server.tell("drill0", line)
    return set(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=1000)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    asyncio.run(run(options.rate, options.minutes))


if __name__ == "__main__":
    main()
