"""Asks a recent-messages service what was said in a channel, and takes from its lines what it put into them.

The service: https://github.com/robotty/recent-messages2, or another logstv. Which time is asked for is
`ingest.backfill`'s.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp

from ingest.errors import HistoryError
from ingest.source import ReceivedLine
from ingest.wire import LONGEST_LINE, command_of, is_chat
from store import tags
from store.coverage import Span
from store.line import split

_MOST = 800
"""Lines that the public service keeps of a channel."""
_MOST_BYTES = 32 * 1024 * 1024
_REQUEST_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class History:
    """What a service knows of a span of time in a channel.

    Attributes:
        lines: what was said in it, oldest first.
        covered: the part of it of which the service says that it has all; None if it does not say so.
    """

    lines: list[ReceivedLine]
    covered: Span | None


class RecentMessages:
    """A recent-messages service, for as long as it is entered.

    Args:
        url: where it answers, with `{channel}` for the channel's login.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_REQUEST_SECONDS))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def history(self, login: str, channel_id: int, span: Span) -> History:
        """Give what was said in a channel in a span of time.

        Raises:
            HistoryError: the service cannot be reached, or gives something else.
        """
        # What stands at the edges of the answer shows how far it reaches, so a little more is asked for.
        asked = {"limit": str(_MOST), "before": str(span.to_ms + 1000)}
        try:
            async with self._http.get(self._url.replace("{channel}", login), params=asked) as answer:
                if answer.status != 200:
                    raise HistoryError(f"it answered with status {answer.status}")
                body = json.loads(await _content(answer))
        except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError) as error:
            raise HistoryError(str(error) or type(error).__name__) from error
        messages = body.get("messages") if isinstance(body, dict) else None
        if not isinstance(messages, list):
            raise HistoryError("its answer has no list of messages")
        lines, oldest_ms = [], span.to_ms
        for message in messages:
            received = as_received(message, login, channel_id) if isinstance(message, str) else None
            if received is None or received.received_ms is None:
                continue
            oldest_ms = min(oldest_ms, received.received_ms)
            if span.from_ms <= received.received_ms < span.to_ms:
                lines.append(received)
        # "channel_not_joined": https://recent-messages.robotty.de/api; there may be holes.
        whole = not body.get("error_code") and oldest_ms < span.to_ms
        return History(lines, Span(max(oldest_ms, span.from_ms), span.to_ms) if whole else None)


async def _content(answer: aiohttp.ClientResponse) -> bytes:
    """Read an answer, whether it says how long it is or not.

    Raises:
        HistoryError: it is longer than any history.
    """
    content = bytearray()
    async for piece in answer.content.iter_any():
        content += piece
        if len(content) > _MOST_BYTES:
            raise HistoryError(f"its answer has more than {_MOST_BYTES} bytes")
    return bytes(content)


def as_received(line: str, login: str, channel_id: int) -> ReceivedLine | None:
    """Give a line of the service as the chat server would have sent it; None if it has no place in the channel's log.

    Args:
        line: as the service gives it.
        login: the channel that was asked for; lines of another are not believed.
        channel_id: its id.
    """
    if not line.startswith("@") or "\r" in line or "\n" in line:
        return None
    try:
        if len(line.encode("utf-8", "surrogateescape")) > LONGEST_LINE:
            return None
    except UnicodeEncodeError:  # JSON can spell half a surrogate pair, which no bytes of a line decode to
        return None
    if not is_chat(command_of(line)):
        return None
    tag_part, _, _, params, _ = split(line)
    room = tags.number(tags.find(tag_part, "room-id"))
    if params[:1] != [f"#{login}"] or room not in (None, channel_id):
        return None
    when = tags.number(tags.find(tag_part, "tmi-sent-ts")) or tags.number(tags.find(tag_part, "rm-received-ts"))
    head, _, rest = line.partition(" ")
    pairs = [pair for pair in head[1:].split(";") if pair.partition("=")[0] not in tags.OF_RECENT_MESSAGES]
    return ReceivedLine(f"@{';'.join(pairs)} {rest}" if pairs else rest, when, channel_id)
