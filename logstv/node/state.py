"""Which process the node of a folder is, so that it can be found again."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class State:
    """A node's process.

    Attributes:
        pid: of its Java.
        created: when that process began, Unix seconds; a pid alone can come to mean another process.
        guard: the pid of its guard.
    """

    pid: int
    created: float
    guard: int

    @classmethod
    def of_process(cls, pid: int) -> State | None:
        """Give the state of a child of ours that was just started; None if it has ended already."""
        try:
            return cls(pid, psutil.Process(pid).create_time(), os.getpid())
        except psutil.NoSuchProcess:
            return None

    @classmethod
    def read(cls, folder: Path) -> State | None:
        """Give the state of the node that runs in a folder; None if none does."""
        try:
            state = cls(**json.loads((folder / "node.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return state if state.is_alive() else None

    @staticmethod
    def remove(folder: Path) -> None:
        """Say that no node runs in a folder."""
        (folder / "node.json").unlink(missing_ok=True)

    def write(self, folder: Path) -> None:
        """Say which node runs in a folder."""
        unfinished = folder / "node.json.new"
        unfinished.write_text(json.dumps(asdict(self)))
        unfinished.replace(folder / "node.json")

    def is_alive(self) -> bool:
        """Say whether that very process still runs."""
        try:
            process = psutil.Process(self.pid)
            return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - self.created) < 1
        except psutil.NoSuchProcess:
            return False
