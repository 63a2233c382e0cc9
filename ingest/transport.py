"""Which way chat is read: the one place that chooses a source that stays open, by the settings."""

from __future__ import annotations

import structlog

from ingest.errors import TransportError
from ingest.irc import IrcSource
from ingest.settings import IngestSettings
from ingest.source import ChatSource

log = structlog.get_logger(__name__)


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
    if settings.backfill_url:
        raise TransportError(
            "LOGSTV_BACKFILL_URL goes with LOGSTV_TRANSPORT=irc only: EventSub does not say when a message was sent, "
            "so that the service's lines and its own would be different ones"
        )
    if missing := [name for name, value in needed.items() if not value]:
        raise TransportError(
            f"LOGSTV_TRANSPORT=eventsub reads as an application: set {', '.join(missing)} too, "
            "or LOGSTV_TRANSPORT=irc, which needs none of them"
        )
    # twitchio takes half a second and 20 MiB to load, which only those pay who read with it.
    from ingest.eventsub import EventSubSource  # noqa: PLC0415

    return EventSubSource(settings)
