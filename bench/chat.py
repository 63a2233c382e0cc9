"""Lines of the demo chat for the benches: seeded, so that each run writes the same."""

from __future__ import annotations

import time
from pathlib import Path

from ingest.demo import DemoChat

SEED = 2018
CHANNELS = tuple(f"bench{number}" for number in range(10))


def chat(rate: float) -> DemoChat:
    """Give a chat over ten channels.

    Args:
        rate: lines a second, of all channels together.
    """
    return DemoChat(seed=SEED, channels=CHANNELS, rate=rate / len(CHANNELS))


def demo_lines(count: int, rate: float = 10_000) -> list[str]:
    """Give the first lines of the chat, as if it had just ended."""
    demo, each = chat(rate), -(-count // len(CHANNELS))
    epoch_ms = time.time_ns() // 1_000_000 - int(count / rate * 1000)
    return [demo.line(channel, number, epoch_ms) for number in range(each) for channel in CHANNELS][:count]


def write_demo_file(path: Path, count: int, rate: float = 10_000) -> None:
    """Write the first lines of the chat into a file."""
    demo = chat(rate)
    epoch_ms = time.time_ns() // 1_000_000 - int(count / rate * 1000)
    with path.open("w", encoding="utf-8", newline="") as file:
        for number in range(count // len(CHANNELS)):
            file.writelines(demo.line(channel, number, epoch_ms) + "\r\n" for channel in CHANNELS)
