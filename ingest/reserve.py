"""Space on a disk that is held back: on a full disk even removing takes some, and without it nothing could go on."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


class Reserve:
    """A file that only takes space.

    Args:
        path: of the file.
        size: how much it takes, bytes.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size

    def hold(self) -> bool:
        """Take the space, if that is not done already; say whether it is held."""
        try:
            if self._path.exists() and self._path.stat().st_size == self._size:
                return True
            with self._path.open("wb") as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, self._size)
                else:  # macOS; a hole would hold nothing
                    file.write(bytes(self._size))
        except OSError:
            self.give_up()
            return False
        return True

    def give_up(self) -> None:
        """Give the space back to the disk."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
