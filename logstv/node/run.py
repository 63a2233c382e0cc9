"""The node's `run` folder: who uses the node, whether it runs, and what is known of it.

Locks of the kernel's tell the truth however a process died: `alive` is held by the node and its guard, `guard` by the
guard alone, `users` is shared by those who use the node, `start.lock` is held by the one who starts or stops it.
`detached` asks the guard to leave the node running when nobody uses it.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from logstv.node.guard import lock

_ONLY_OURS = 0o700


@dataclass(frozen=True, slots=True)
class NodeState:
    """What the guard wrote about the node it started.

    Attributes:
        pid: Process id of Java.
        guard_pid: Process id of the guard.
        stopping: Whether the guard is ending the node.
        started: When it was started, in seconds since 1970.
        address: Where it listens.
        cql_port: The port on which it speaks CQL.
        storage_port: The port on which it would speak to other nodes.
        jmx_port: The loopback port on which it is administered.
    """

    pid: int
    guard_pid: int
    stopping: bool
    started: float
    address: str
    cql_port: int
    storage_port: int
    jmx_port: int


class RunFolder:
    """The files through which those who use a node, and its guard, know of each other."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self._lease: int | None = None

    def make(self) -> None:
        """Make the folder."""
        self.path.mkdir(mode=_ONLY_OURS, parents=True, exist_ok=True)

    def use(self) -> bool:
        """Become a user of the node; False while its guard is ending it."""
        if self._lease is None:
            self._lease = lock(self.path / "users", fcntl.LOCK_SH)
        return self._lease is not None

    def leave(self) -> None:
        """Stop being a user of the node."""
        if self._lease is not None:
            os.close(self._lease)
            self._lease = None

    @property
    def using(self) -> bool:
        """Whether we are a user."""
        return self._lease is not None

    def used(self) -> bool:
        """Say whether anybody else, or we, use the node (or its guard is ending it)."""
        return self._held("users")

    def runs(self) -> bool:
        """Say whether a node runs on this folder, or is being started or ended."""
        return self._held("alive")

    def guarded(self) -> bool:
        """Say whether the node has a guard; without one nobody would stop it."""
        return self._held("guard")

    def detach(self, wanted: bool) -> None:
        """Ask the guard to leave the node running when nobody uses it, or no longer to."""
        if wanted:
            (self.path / "detached").touch()
        else:
            (self.path / "detached").unlink(missing_ok=True)

    @property
    def detached(self) -> bool:
        """Whether the node stays when nobody uses it."""
        return (self.path / "detached").exists()

    def state(self) -> NodeState | None:
        """Give what is known of the node; None when none runs, or its guard has not said yet."""
        content = self._read("state.json")
        if content is None or not self.runs():
            return None
        try:
            return NodeState(**{field.name: content[field.name] for field in fields(NodeState)})
        except KeyError:
            return None

    def last_exit(self) -> dict[str, Any] | None:
        """Give how the node last ended: `code`, `how` (drained, killed, died), `at`."""
        return self._read("last_exit.json")

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            content = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) else None

    def _held(self, name: str) -> bool:
        if not (self.path / name).exists():
            return False
        descriptor = lock(self.path / name, fcntl.LOCK_EX)
        if descriptor is None:
            return True
        os.close(descriptor)
        return False
