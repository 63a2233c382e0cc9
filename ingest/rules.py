"""What is kept of each channel, as the pipeline and the writer need it; where that is said is `store.wanted`'s."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from store.message import Message, MessageType
from store.wanted import WantedChannel, retentions

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
        """Take the rules from what `WantedChannels.said` gives: also of channels that are read no more.

        An index row that several channels share has to outlive the lines of those too.
        """
        said = list(channels)
        return cls({channel.key: channel.without for channel in said if channel.without}, retentions(said))

    def keep(self, message: Message) -> bool:
        """Say whether a message is kept."""
        if not self.without:
            return True
        left_out = self.without.get(message.channel_id or 0) or self.without.get(message.channel_login or "")
        return left_out is None or message.type not in left_out
