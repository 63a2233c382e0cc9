"""Who uses the local node: each user holds a shared lock on one file, and the node stops when nobody does.

The kernel lets go of a lock when its holder ends, however it ends, so a killed user leaves nothing behind.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class Lease:
    """A lock on the node of a folder, shared among its users.

    Args:
        folder: the node's.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "users.lock"
        self._descriptor: int | None = None

    def take(self) -> None:
        """Become a user; waits while the node is being stopped because nobody used it."""
        if self._descriptor is None:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            self._descriptor = descriptor

    def release(self) -> None:
        """Be a user no more."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def take_if_unused(self) -> bool:
        """Take the lock alone, so that nobody can become a user; say whether nobody was one."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True
