"""Three nodes on 127.0.0.1, .2 and .3 as one cluster, for drills: a node can be killed, frozen and thawed.

Linux listens on all of 127.0.0.0/8; macOS needs the second and third address made known first.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from logstv.errors import NodeError, NodeStartError
from logstv.node.config import Ring, Tuning
from logstv.node.local_node import LocalNode, answers
from logstv.settings import NodeSettings

_FIRST_TOKEN, _TOKENS = -(2**63), 2**64  # of the Murmur3 partitioner
_LOOK_SECONDS = 0.1
# Nodes that must find each other wait for gossip a little; a node that is alone does not.
_NEIGHBOURS = ("-Dcassandra.skip_wait_for_gossip_to_settle=1",)


@dataclass(frozen=True, slots=True)
class ClusterPorts:
    """The ports of a cluster's nodes.

    Attributes:
        cql: where each node speaks CQL, on its own address.
        storage: where each node speaks to the others, on its own address.
        jmx: where each is administered, all on 127.0.0.1; one a node.
    """

    cql: int
    storage: int
    jmx: tuple[int, ...]


class ClusterNode:
    """One node of a cluster, and what a drill does to it."""

    def __init__(self, node: LocalNode) -> None:
        self.node = node
        self.address = node.settings.node_address

    def start(self) -> None:
        """Start it, or start it again."""
        self.node.start()

    def stop(self) -> None:
        """Drain and stop it."""
        self.node.stop()

    def kill(self) -> None:
        """Kill it, as `kill -9` does, and return when it is gone."""
        self._send(signal.SIGKILL)
        self._until(lambda: not self.node.status().running, "does not go although it was killed")
        self.node.leave()

    def freeze(self) -> None:
        """Stop it in its tracks: its connections stay open, and nothing is answered."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on, and return when it answers."""
        self._send(signal.SIGCONT)
        port = self.node.settings.cql_port
        self._until(lambda: answers(self.address, port), "does not answer although it was thawed")

    def _send(self, number: int) -> None:
        state = self.node.state
        if state is None:
            raise NodeError(f"the node on {self.address} does not run")
        os.kill(state.pid, number)

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + self.node.settings.node_start_timeout
        while not condition():
            if time.monotonic() > deadline:
                raise NodeError(f"the node on {self.address} {what}")
            time.sleep(_LOOK_SECONDS)


class LocalCluster:
    """Nodes on 127.0.0.1, 127.0.0.2, ... that know each other.

    Args:
        folder: where they keep their files.
        ports: where they listen; as many nodes as it has ports for JMX.
        settings: what else holds for each of them.
        tuning: what is different about them.
    """

    def __init__(
        self, folder: Path, ports: ClusterPorts, settings: NodeSettings | None = None, tuning: Tuning | None = None
    ) -> None:
        base, given = settings or NodeSettings(), tuning or Tuning()
        count = len(ports.jmx)
        self.port = ports.cql
        self.nodes = tuple(
            ClusterNode(
                LocalNode(
                    base.model_copy(
                        update={
                            "data_dir": folder / f"node{number + 1}",
                            "node_address": f"127.0.0.{number + 1}",
                            "cql_port": ports.cql,
                            "node_storage_port": ports.storage,
                            "node_jmx_port": jmx,
                        }
                    ),
                    ring=Ring(seeds=("127.0.0.1",), token=_FIRST_TOKEN + _TOKENS * number // count),
                    console=Console(quiet=True),
                    tuning=Tuning(given.yaml, (*_NEIGHBOURS, *given.flags)),
                )
            )
            for number, jmx in enumerate(ports.jmx)
        )

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where the nodes listen."""
        return tuple(node.address for node in self.nodes)

    def start(self) -> None:
        """Start all nodes, the seed first, and return when each sees all others.

        Raises:
            NodeStartError: one did not start, or they did not find each other in time.
        """
        seed, *others = self.nodes
        seed.start()
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            for _ in pool.map(ClusterNode.start, others):
                pass
        self.wait_until_up()

    def wait_until_up(self) -> None:
        """Wait until each node sees all others up.

        Raises:
            NodeStartError: that did not happen in time.
        """
        deadline = time.monotonic() + self.nodes[0].node.settings.node_start_timeout
        for node in self.nodes:
            while self._seen_up(node) < len(self.nodes):
                if time.monotonic() > deadline:
                    raise NodeStartError(f"the node on {node.address} does not see all others up")

    def mend(self) -> None:
        """Undo what a drill did: thaw the frozen, start the killed, and return when each sees all others up."""
        for node in self.nodes:
            if node.node.status().running:
                node.thaw()
            else:
                node.start()
        self.wait_until_up()

    def stop(self) -> None:
        """Stop all nodes, whatever was done to them."""
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(lambda node: node.node.stop(), self.nodes))

    @contextlib.contextmanager
    def running(self) -> Iterator[LocalCluster]:
        """Have the cluster run for a while."""
        try:
            self.start()
            yield self
        finally:
            self.stop()

    @staticmethod
    def _seen_up(node: ClusterNode) -> int:
        answer = node.node.nodetool(["status"], capture=True)
        return sum(line.startswith("UN ") for line in answer.stdout.splitlines())
