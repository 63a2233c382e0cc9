"""Which channels a worker read, for a start at which Cassandra cannot say which it is to read."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import structlog

from ingest.source import ChatSource

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 10.0


class RememberedChannels:
    """A file beside the spool's.

    Args:
        spool: the worker's own spool file.
    """

    def __init__(self, spool: Path) -> None:
        self._path = spool.with_suffix(".channels.json")

    def logins(self) -> list[str]:
        """Give the logins of the channels that were read last; none if nobody knows."""
        try:
            found = orjson.loads(self._path.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return []
        return [login for login in found if isinstance(login, str)] if isinstance(found, list) else []

    async def keep(self, source: ChatSource, leaving: asyncio.Event) -> None:
        """Keep the file in step with what a source is to read, until it is about to leave."""
        kept = self.logins()
        while not leaving.is_set():
            await asyncio.sleep(_LOOK_SECONDS)
            if leaving.is_set():
                return
            logins = sorted(state.login for state in source.channels if not state.failure)
            if logins and logins != kept:
                kept = logins
                self._write(logins)

    def _write(self, logins: list[str]) -> None:
        new = self._path.with_suffix(".new")
        try:
            new.write_bytes(orjson.dumps(logins))
            new.replace(self._path)
        except OSError as error:
            log.warning("channels.unwritable", path=str(self._path), reason=str(error))
