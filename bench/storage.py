"""How many bytes a message takes on disk, compacted, in each table, for what could be chosen.

    python -m bench.storage [FILE.irc.gz]

The file holds raw IRC lines, plain or gzip; without one, lines of the demo chat are taken. `raw line` is what the first
logstv-cassandra stored: the line itself, three times.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
from pathlib import Path
from typing import Any

from bench import ground
from bench.chat import demo_lines
from logstv.node import LocalNode
from store.message import Message
from store.retention import Retention
from store.session import Session
from store.settings import StoreSettings
from store.shapes import SHAPES
from store.writer import Writer

LZ4_16 = {"class": "LZ4Compressor", "chunk_length_in_kb": "16"}
CODECS: dict[str, dict[str, str]] = {
    "LZ4 16 KiB": LZ4_16,
    "LZ4 16 KiB high (the default)": LZ4_16 | {"lz4_compressor_type": "high"},
    "LZ4 64 KiB": LZ4_16 | {"chunk_length_in_kb": "64"},
    "Zstd 64 KiB": {"class": "ZstdCompressor", "chunk_length_in_kb": "64"},
}


def read(path: Path) -> list[str]:
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    return [line.removesuffix("\r") for line in content.decode().split("\n") if line.strip()]


async def write_columns(settings: StoreSettings, messages: list[Message]) -> None:
    session = await Session.open(settings)
    writer = await Writer.open(session, Retention.of(0))
    for start in range(0, len(messages), 256):
        await writer.write(messages[start : start + 256])
    await writer.flush()
    await session.close()


async def write_lines(settings: StoreSettings, messages: list[Message]) -> None:
    """Write the raw line into tables with the same keys, as single statements."""
    session = await Session.open(settings)
    for shape in SHAPES:
        keys = "".join(f"{column} bigint, " for column in shape.key)
        names = ", ".join((*shape.key, "bucket"))
        await session.execute(
            f"CREATE TABLE {session.table('raw_' + shape.table)} ({keys}bucket timestamp, sent timeuuid, line text, "
            f"PRIMARY KEY (({names}), sent)) WITH compression = {LZ4_16}"
        )
        insert = await session.prepare(
            f"INSERT INTO {session.table('raw_' + shape.table)} ({names}, sent, line) "
            f"VALUES ({', '.join('?' * (len(shape.key) + 3))})"
        )
        for message in messages:
            for key in shape.keys_of(message.channel_id or 0, message.users):
                bucket = shape.width.start(message.position.sent_ms)
                await session.execute(insert.bind((*key, bucket, message.sent, message.line)))
    await session.close()


def set_codec(settings: StoreSettings, codec: dict[str, str], prefix: str = "") -> None:
    async def alter() -> None:
        session = await Session.open(settings)
        for shape in SHAPES:
            await session.execute(f"ALTER TABLE {session.table(prefix + shape.table)} WITH compression = {codec}")
        await session.close()

    asyncio.run(alter())


def measure(local: LocalNode, keyspace: str, prefix: str, count: int) -> dict[str, float]:
    """Rewrite the files with the codec of now, compact, and give the bytes a message of every file of each table."""
    for command in (["flush", keyspace], ["upgradesstables", "-a", keyspace], ["compact", keyspace]):
        local.nodetool(command, capture=True).check_returncode()
    sizes = {}
    for shape in SHAPES:
        folders = (local.settings.node_dir / "data" / keyspace).glob(f"{prefix}{shape.table}-*")
        files = [file for folder in folders for file in folder.glob("*.db")]
        sizes[shape.name.replace("_", " ")] = sum(file.stat().st_size for file in files) / count
    return {**sizes, "all three": sum(sizes.values())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--messages", type=int, default=5_000, help="without a file: how many lines of the demo chat")
    options = parser.parse_args()
    lines = read(options.file) if options.file else demo_lines(options.messages)
    messages = [message for message in map(Message.parse, lines) if message.unstorable is None]
    rows: list[dict[str, Any]] = []
    with ground.node() as local:
        settings = ground.store_settings(local, "storage")
        asyncio.run(write_lines(settings, messages))
        asyncio.run(write_columns(settings, messages))
        for layout, prefix, codecs in (
            ("raw line", "raw_", ["LZ4 16 KiB", "Zstd 64 KiB"]),
            ("typed columns", "", list(CODECS)),
        ):
            for codec in codecs:
                set_codec(settings, CODECS[codec], prefix)
                sizes = measure(local, "storage", prefix, len(messages))
                rows.append({"layout": layout, "compression": codec, **sizes})
    length = sum(len(line.encode()) for line in lines) / len(lines)
    name = options.file.name if options.file else "the demo chat"
    ground.report("storage", rows, f"{len(messages):,} messages of {name}, {length:.0f} bytes a line; bytes a message.")


if __name__ == "__main__":
    main()
