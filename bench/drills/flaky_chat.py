"""The chat server drops connections, sends half lines and RECONNECT, and falls silent: nothing it sent is missing.

python -m bench.drills.flaky_chat [--rate 500] [--seconds 120]
"""

from __future__ import annotations

import argparse
import asyncio
import random
from typing import Any

from bench import ground
from bench.drills.ground import Ground, drill, now_ms


async def run(rate: float, seconds: float) -> None:
    async with drill(rate, channels=10) as tried:
        server, sent = tried.server, set[str]()
        tell = server._tell

        def told(channel: str, lines: list[str], but: Any = None) -> None:
            """Take note of what goes to a connection that has joined: only that can be expected."""
            listening = [client for client in server._clients if channel in client.channels]
            if not server.faults.silent and any(not client.writer.is_closing() for client in listening):
                sent.update(lines)
            tell(channel, lines, but)

        server._tell = told  # type: ignore[method-assign]
        worker = tried.worker(irc_silence=2, irc_pong_timeout=1)
        begun = await tried.joined()
        sent.clear()
        faults = await misbehave(tried, seconds)
        ended = now_ms()
        await tried.joined()
        await asyncio.sleep(2)
        await tried.caught_up(now_ms() - 1000)
        worker.stop()
        verdict = await tried.verdict([(begun, ended)], only=sent)
    ground.report("flaky_chat", [{**faults, **verdict.row()}], f"{rate:,.0f} lines a second, {seconds:.0f} seconds.")
    verdict.hold()


async def misbehave(tried: Ground, seconds: float) -> dict[str, int]:
    """Do what chat servers do on bad days, every few seconds; say how often which."""
    server, dice, done = tried.server, random.Random(7), {"RECONNECT": 0, "half lines": 0, "closed": 0, "silence": 0}
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    while clock() < end:
        await asyncio.sleep(dice.uniform(2, 5))
        what = dice.choice(list(done))
        done[what] += 1
        if what == "RECONNECT":
            server.send_all(b":tmi.twitch.tv RECONNECT\r\n")
        elif what == "half lines":
            server.faults.silent = True  # what followed the half line would be one line with it
            server.send_all(b"@badge-info=;badges=;id=half :someone!some")
            await asyncio.sleep(dice.uniform(0, 0.2))
            server.close_all()
            server.faults.silent = False
        elif what == "closed":
            server.close_all()
        else:
            server.faults.silent = True
            await asyncio.sleep(4)
            server.faults.silent = False
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=500)
    parser.add_argument("--seconds", type=float, default=120)
    options = parser.parse_args()
    asyncio.run(run(options.rate, options.seconds))


if __name__ == "__main__":
    main()
