"""The nodes of the cluster, as the driver knows them: which answer, what they are, and what time each says it is."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from cassandra.pool import Host

from store.errors import StoreError
from store.probe import refusal
from store.session import Session, tls_of

_CLOCK = "SELECT toUnixTimestamp(now()) FROM system.local"


@dataclass(frozen=True, slots=True)
class Node:
    """A node.

    Attributes:
        address: where it is reached.
        datacenter: its datacenter.
        rack: its rack.
        version: of Cassandra; empty where that is not known.
        down: why it does not answer; empty: it does.
        ahead_ms: by how much its clock is ahead of ours, to within half of what the question took; None: not known.
    """

    address: str
    datacenter: str
    rack: str
    version: str
    down: str
    ahead_ms: float | None = None


async def nodes_of(session: Session) -> list[Node]:
    """Give the nodes of a cluster, by datacenter and address; each is asked, and none holds up the others.

    Raises:
        SettingsError: a setting about TLS names something that cannot be read.
    """
    tls = tls_of(session.settings)

    async def ask(host: Host) -> Node:
        address, port = str(host.endpoint.address), host.endpoint.port
        down = await asyncio.to_thread(refusal, address, port, tls=tls)
        if not down and host.is_up is False:
            down = "it answers, but the driver cannot connect to it"
        ahead = None if down else await _ahead_ms(session, host)
        return Node(address, host.datacenter or "", host.rack or "", host.release_version or "", down, ahead)

    found = await asyncio.gather(*(ask(host) for host in session.hosts))
    return sorted(found, key=lambda node: (node.datacenter, node.address))


async def _ahead_ms(session: Session, host: Host) -> float | None:
    """Compare a node's clock with ours, which is taken in the middle between question and answer."""
    asked = time.time()
    try:
        rows = await session.execute(_CLOCK, host=host)
    except StoreError:
        return None
    return float(rows[0][0]) - (asked + time.time()) / 2 * 1000
