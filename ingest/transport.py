"""Which way chat is read: the one place that chooses a source that stays open, by the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Protocol, Self

import structlog

from ingest.errors import TransportError
from ingest.irc import IrcSource
from ingest.irc_state import ChannelState
from ingest.settings import IngestSettings
from ingest.source import ReceivedLine

log = structlog.get_logger(__name__)


class SourceCounts(Protocol):
    """What was seen, of any transport."""

    @property
    def connections(self) -> int:
        """How many are open."""
        ...


class ChatSource(Protocol):
    """Chat lines of a set of channels that may change, for as long as it is entered."""

    @property
    def counts(self) -> SourceCounts:
        """What was seen."""
        ...

    @property
    def channels(self) -> list[ChannelState]:
        """How the reading of each channel stands."""
        ...

    def chunks(self) -> AsyncIterator[list[ReceivedLine]]:
        """Yield the chat lines as they come."""
        ...

    def join(self, login: str) -> None:
        """Read a channel too."""
        ...

    async def part(self, login: str) -> None:
        """Read a channel no more."""
        ...

    async def stop(self) -> None:
        """Have `chunks` end after what was read."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_source(settings: IngestSettings) -> ChatSource:
    """Give the source that the settings ask for, not yet entered.

    Raises:
        TransportError: EventSub is asked for without what it needs.
        SourceUrlError: an address makes no sense.
    """
    needed = {
        "LOGSTV_EVENTSUB_CLIENT_ID": settings.eventsub_client_id,
        "LOGSTV_EVENTSUB_CLIENT_SECRET": settings.eventsub_client_secret.get_secret_value(),
        "LOGSTV_EVENTSUB_USER_ID": settings.eventsub_user_id,
    }
    if settings.transport == "irc":
        if given := [name for name, value in needed.items() if value]:
            log.warning("eventsub.not_used", given=given, reason="LOGSTV_TRANSPORT is irc: chat is read anonymously")
        return IrcSource(settings)
    if missing := [name for name, value in needed.items() if not value]:
        raise TransportError(
            f"LOGSTV_TRANSPORT=eventsub reads as an application: set {', '.join(missing)} too, "
            "or LOGSTV_TRANSPORT=irc, which needs none of them"
        )
    # twitchio takes half a second and 20 MiB to load, which only those pay who read with it.
    from ingest.eventsub import EventSubSource  # noqa: PLC0415

    return EventSubSource(settings)
