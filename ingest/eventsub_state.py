"""How the reading over EventSub stands: what was seen, and what is subscribed for each channel."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ingest.eventsub_line import SUBSCRIPTION_TYPES
from ingest.irc_state import ChannelState


@dataclass(slots=True)
class EventSubCounts:
    """What was seen over all sessions.

    Attributes:
        connections: sessions that are open.
        opened: how many were begun, whether they came about or not.
        notifications: how many came.
        duplicates: notifications that had come before, and were dropped.
        strays: notifications of channels that are not, or no longer, to be read.
        unreadable: notifications that stand for no line; they go to the quarantine.
        subscriptions_failed: subscriptions that Twitch refused.
        revoked: subscriptions that Twitch took away, by the reason it gave.
        logins_refused: logins of the application that Twitch did not take.
    """

    connections: int = 0
    opened: int = 0
    notifications: int = 0
    duplicates: int = 0
    strays: int = 0
    unreadable: int = 0
    subscriptions_failed: int = 0
    revoked: Counter[str] = field(default_factory=Counter)
    logins_refused: int = 0

    @property
    def figures(self) -> dict[str, float]:
        """The numbers among them, by the name that the metrics give them; those of IRC have the same names."""
        return {
            "connections": self.connections,
            "connections_opened": self.opened,
            "lines": self.notifications,
            "duplicates": self.duplicates,
            "strays": self.strays,
            "unreadable": self.unreadable,
            "joins_failed": self.subscriptions_failed,
            "revoked": self.revoked.total(),
            "logins_refused": self.logins_refused,
        }


@dataclass(slots=True)
class SubscribedChannel:
    """A channel, and its subscriptions.

    Attributes:
        state: how the reading of it stands.
        subscriptions: Twitch's ids of them, by type; the id is empty where Twitch only said that there is one.
    """

    state: ChannelState
    subscriptions: dict[str, str] = field(default_factory=dict)

    @property
    def missing(self) -> list[str]:
        """The types that are not subscribed to."""
        return [kind for kind in SUBSCRIPTION_TYPES if kind not in self.subscriptions]
