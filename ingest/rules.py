"""What is kept of each channel, as the pipeline and the writer need it; where that is said is `store.wanted`'s."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from store.message import Message, MessageType
from store.wanted import WantedChannel

_SECONDS_IN_DAY = 86_400

Channel = int | str
"""An id, or a login while the id is not known."""


@dataclass(frozen=True, slots=True)
class ChannelRules:
    """Which messages are kept, and for how long; channels of which nothing is said are kept as the tables say.

    Attributes:
        without: the types of message that are not kept.
        seconds: for how long the others are; 0 is for ever.
    """

    without: Mapping[Channel, frozenset[MessageType]] = field(default_factory=dict)
    seconds: Mapping[Channel, int] = field(default_factory=dict)

    @classmethod
    def of(cls, channels: Iterable[WantedChannel]) -> Self:
        """Take the rules from the channels that are read."""
        without: dict[Channel, frozenset[MessageType]] = {}
        seconds: dict[Channel, int] = {}
        for channel in channels:
            key = channel.name if channel.channel_id is None else channel.channel_id
            if channel.without:
                without[key] = channel.without
            if channel.retention_days is not None:
                seconds[key] = channel.retention_days * _SECONDS_IN_DAY
        return cls(without, seconds)

    def keep(self, message: Message) -> bool:
        """Say whether a message is kept."""
        if not self.without:
            return True
        left_out = self.without.get(message.channel_id or 0) or self.without.get(message.channel_login or "")
        return left_out is None or message.type not in left_out
