"""Keeps the lines that have no place in a log, with the reason, so that someone can look at them later.

The files are bounded: the newest lines push out the oldest.
"""

from __future__ import annotations

import time
from pathlib import Path

import orjson
import structlog

log = structlog.get_logger(__name__)

_MOST_BYTES = 8 * 1024 * 1024


class Quarantine:
    """Two files of JSON lines, `quarantine.ndjson` and the one before it.

    Args:
        folder: where they lie.
        most_bytes: how large one may grow.
    """

    def __init__(self, folder: Path, most_bytes: int = _MOST_BYTES) -> None:
        self.path = folder / "quarantine.ndjson"
        self.kept = 0
        self._most_bytes = most_bytes

    def keep(self, line: str, reason: str) -> None:
        """Keep a line; a disk that cannot take it is logged, and never stops the reading.

        Args:
            line: as it was read.
            reason: why it has no place in a log.
        """
        self.kept += 1
        text = line.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        record = orjson.dumps({"at_ms": time.time_ns() // 1_000_000, "reason": reason, "line": text}) + b"\n"
        try:
            if self.path.exists() and self.path.stat().st_size + len(record) > self._most_bytes:
                self.path.replace(self.path.with_suffix(".old.ndjson"))
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write(record)
        except OSError as error:
            log.warning("quarantine.unwritable", path=str(self.path), reason=str(error))
