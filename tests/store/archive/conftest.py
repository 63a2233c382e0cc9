"""A chat of some days, all of it in the archive alone; and archives to keep it in."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from support.s3 import S3Server, s3_server
from support.tiers import CHANNELS, NOW_MS, Tiers, chat, expire, tiers

from store.archive.objects import Objects
from store.archive.settings import ArchiveSettings
from store.message import Message
from store.retention import Retention
from store.store import Store
from store.writer import Writer

_BUCKETS = count(1)


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    """An empty archive: in memory, or a folder or a bucket where a test is parametrised with `KINDS`."""
    kind = getattr(request, "param", "memory")
    if kind == "memory":
        return Objects.in_memory()
    if kind == "folder":
        return Objects.open(ArchiveSettings(archive_url=(tmp_path / "archive").as_uri()))
    server: S3Server = request.getfixturevalue("s3")
    bucket = f"logs-{next(_BUCKETS)}"
    server.bucket(bucket)
    return Objects.open(server.settings(f"s3://{bucket}/chat"))


@pytest.fixture
async def exported(store: Store, objects: Objects) -> tuple[Tiers, list[Message]]:
    said = chat(6, seed=21)
    await (await Writer.open(store.session, Retention.of(0))).write(said)
    both = await tiers(store, objects, horizon_ms=NOW_MS)
    await (await both.exporter()).run(CHANNELS)
    await expire(store, said, NOW_MS)
    return both, said
