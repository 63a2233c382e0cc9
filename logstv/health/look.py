"""One look at an installation: what can be known of it within some seconds, also where much of it does not answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from logstv.errors import CommandError
from logstv.health.scraped import Scraped, scrape
from logstv.node import LocalNode, NodeStatus
from logstv.settings import NodeSettings
from store import schema
from store.archive.archive import Archive, Behind
from store.archive.archive import Standing as ArchiveStanding
from store.archive.index import ExportFailure
from store.archive.objects import Objects
from store.directory import Directory
from store.errors import StoreError
from store.nodes import Node, nodes_of
from store.probe import refusal
from store.schema import Change
from store.session import Session, tls_of
from store.settings import StoreSettings
from store.table_facts import TableFacts
from store.wanted import Standing, WantedChannels
from store.workers import Worker, Workers

PART_SECONDS = 5.0
"""What one part of a look may take."""

_REQUEST_SECONDS = 3.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ArchiveLook:
    """How the archive is.

    Attributes:
        standing: of each channel.
        behind: channels that have days that should have been exported days ago.
        failures: days that could not be exported, and still are not; the last first.
        last_failure: the last day that could not be exported, be it that it is by now; None: none in a week.
    """

    standing: tuple[ArchiveStanding, ...]
    behind: tuple[Behind, ...]
    failures: tuple[ExportFailure, ...]
    last_failure: ExportFailure | None


@dataclass(slots=True)
class Picture:
    """What was seen; a part that is None could not be told, or does not apply.

    Attributes:
        settings: of the store, with where the local node is, if that is used.
        now_ms: when, Unix milliseconds.
        local: the local node; None: a cluster is set.
        refused: the contact points that do not answer, and why.
        unreachable: why no cluster can be reached; empty: one is.
        nodes: the cluster's.
        facts: about the keyspace.
        changes: where the tables differ from the files.
        workers: that live.
        channels: that are to be read.
        last_sent_ms: when the last line of each channel was said, by its id.
        archive: how it is; None also where none is set.
        metrics: of the worker at LOGSTV_METRICS_ADDRESS, if that is set.
        metrics_failure: why there are none.
        untold: the parts that could not be told, and why.
    """

    settings: StoreSettings
    now_ms: int
    local: NodeStatus | None = None
    refused: dict[str, str] = field(default_factory=dict)
    unreachable: str = ""
    nodes: list[Node] | None = None
    facts: TableFacts | None = None
    changes: list[Change] | None = None
    workers: list[Worker] | None = None
    channels: list[Standing] | None = None
    last_sent_ms: Mapping[int, int] = field(default_factory=dict)
    archive: ArchiveLook | None = None
    metrics: Scraped | None = None
    metrics_failure: str = ""
    untold: dict[str, str] = field(default_factory=dict)


async def look(store: StoreSettings, node: NodeSettings, metrics_address: str) -> Picture:
    """Look at an installation; nothing is started, made or changed by it.

    Args:
        store: where the cluster is; without contact points it is the local node.
        node: where that is.
        metrics_address: of a worker; empty: none is asked.
    """
    picture = Picture(store, time.time_ns() // 1_000_000)
    await asyncio.gather(_look_at_cluster(picture, node), _look_at_metrics(picture, metrics_address))
    return picture


async def _look_at_metrics(picture: Picture, address: str) -> None:
    if address:
        try:
            picture.metrics = await asyncio.to_thread(scrape, address)
        except CommandError as error:
            picture.metrics_failure = str(error)


async def _look_at_cluster(picture: Picture, node: NodeSettings) -> None:
    settings = picture.settings
    if not settings.contact_points:
        picture.local = await asyncio.to_thread(LocalNode(node).status)
        if not picture.local.running:
            picture.unreachable = f"no cluster is set, and the local node in {picture.local.folder} does not run"
            return
        where = {"contact_points": (picture.local.address,), "cql_port": picture.local.cql_port}
        picture.settings = settings = settings.model_copy(update=where)
    try:
        tls = tls_of(settings)
        refusals = await asyncio.gather(
            *(asyncio.to_thread(refusal, host, settings.cql_port, tls=tls) for host in settings.contact_points)
        )
        picture.refused = {host: why for host, why in zip(settings.contact_points, refusals, strict=True) if why}
        there = tuple(host for host in settings.contact_points if host not in picture.refused)
        if not there:
            reasons = "; ".join(f"{host}: {why}" for host, why in picture.refused.items())
            picture.unreachable = f"no Cassandra answers at port {settings.cql_port} ({reasons})"
            return
        # The driver waits for each that does not answer, one after the other.
        quick = {"contact_points": there, "request_timeout": min(settings.request_timeout, _REQUEST_SECONDS)}
        session = await Session.open(settings.model_copy(update=quick))
    except StoreError as error:
        picture.unreachable = str(error)
        return
    try:
        await _look_at_parts(picture, session)
    finally:
        await session.close()


async def _look_at_parts(picture: Picture, session: Session) -> None:
    settings = session.settings

    async def told(part: str, asking: Awaitable[T]) -> T | None:
        try:
            async with asyncio.timeout(PART_SECONDS):
                return await asking
        except TimeoutError:
            picture.untold[part] = f"it was not answered within {PART_SECONDS:g} s"
        except StoreError as error:
            picture.untold[part] = str(error)
        return None

    picture.nodes, picture.facts, picture.changes, picture.workers, channels, picture.archive = await asyncio.gather(
        told("nodes", nodes_of(session)),
        told("replicas", TableFacts.of(session)),
        told("schema", asyncio.to_thread(schema.diff, settings)),
        told("workers", _workers(session)),
        told("channels", _channels(session)),
        told("archive", _archive(session)),
    )
    if channels is not None:
        picture.channels, picture.last_sent_ms = channels


async def _workers(session: Session) -> list[Worker]:
    return await (await Workers.open(session)).all()


async def _channels(session: Session) -> tuple[list[Standing], dict[int, int]]:
    standing = await (await WantedChannels.open(session)).standing()
    channels = await (await Directory.open(session)).channels()
    sent = {channel.channel_id: channel.last_sent_ms for channel in channels if channel.last_sent_ms is not None}
    return standing, sent


async def _archive(session: Session) -> ArchiveLook | None:
    if not session.settings.archive_url:
        return None
    # Cassandra knows all that is asked here; the archive itself is not touched.
    archive = await Archive.open(session, session.settings, objects=Objects.nowhere())
    standing = await archive.standing()
    due = {place for each in standing for place in each.due}
    failures = await archive.index.failures()
    return ArchiveLook(
        tuple(standing),
        tuple(await archive.behind(standing)),
        tuple(failure for failure in failures if failure.place in due),
        failures[0] if failures else None,
    )
