"""Between messages and the rows of the message tables.

The values are packed here rather than by the driver's binding: the three tables hold the same columns, so a message is
packed once, not three times (measured in bench/ingest.py).
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cassandra.query import UNSET_VALUE

from store import keys
from store.message import Message, MessageType
from store.shapes import Key, Shape

Value = Any
"""Packed bytes, or UNSET_VALUE for a column that is absent (a null would be a tombstone)."""

_PACK_BIGINT = struct.Struct(">q").pack
_PACK_UNSIGNED = struct.Struct(">Q").pack
_PACK_INT = struct.Struct(">i").pack
_PACK_TINYINT = struct.Struct(">b").pack

AUTHOR = "author_id"
PAYLOAD: tuple[str, ...] = (
    "uuid_high",
    "type",
    AUTHOR,
    "login",
    "display_name",
    "text",
    "system_text",
    "color",
    "badges",
    "badge_info",
    "emotes",
    "client_nonce",
    "channel_login",
    "flags",
    "extra",
    "line",
)
"""The columns that every message table has besides its key."""

_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - the driver's datetimes are naive
_MILLISECOND = dt.timedelta(milliseconds=1)
_AUTHOR_AT = PAYLOAD.index(AUTHOR)
_ROW_OVERHEAD = 4 * (len(PAYLOAD) + 6) + 64  # bytes: a length before every value; key, bucket, timestamp, TTL
_NOBODY = 0
"""The author, in a user's log, of a line that has none; an absent one is the user himself."""


def columns_of(shape: Shape) -> tuple[str, ...]:
    """Give the columns of a shape's table that are not its partition key, in the order in which rows are written."""
    return ("sent", *PAYLOAD) if "channel_id" in shape.key else ("sent", *PAYLOAD, "channel_id")


def selected(shape: Shape) -> tuple[str, ...]:
    """Give what is selected to read messages: `columns_of`, but the driver is to make no object of a timeuuid."""
    return ("timeuuid_as_blob(sent)", *columns_of(shape)[1:])


def bigint(number: int) -> bytes:
    """Pack a bigint; a timestamp is packed so too, in Unix milliseconds."""
    return _PACK_BIGINT(number)


def unix_ms(moment: dt.datetime) -> int:
    """Give a timestamp that was read, which the driver gives as a naive datetime in UTC, in Unix milliseconds."""
    return (moment - _EPOCH) // _MILLISECOND


def int32(number: int) -> bytes:
    """Pack an int."""
    return _PACK_INT(number)


def tinyint(number: int) -> bytes:
    """Pack a tinyint."""
    return _PACK_TINYINT(number)


def position(timeuuid_number: int) -> keys.Position:
    """Give the place that a timeuuid of a row of ours names."""
    return keys.Position(keys.time_of(timeuuid_number), timeuuid_number & keys.LOW_MASK)


def timeuuid(position: keys.Position) -> bytes:
    """Pack the timeuuid of a place in a log."""
    return keys.timeuuid(*position).to_bytes(16, "big")


def size_of(values: list[Value]) -> int:
    """Give about how many bytes a row of such values takes in a request."""
    return _ROW_OVERHEAD + sum([len(value) for value in values if value is not UNSET_VALUE])


def _text(value: str | None) -> Value:
    return UNSET_VALUE if value is None else value.encode()


@dataclass(frozen=True, slots=True)
class PackedMessage:
    """A message as the values of its columns.

    Attributes:
        author_id: who wrote it.
        sent: the clustering key.
        values: the columns of PAYLOAD.
        channel_id: where it was said.
        size: about how many bytes a row of it takes in a request.
    """

    author_id: int | None
    sent: bytes
    values: list[Value]
    channel_id: bytes
    size: int


def pack(message: Message) -> PackedMessage:
    """Pack a message that has a place in a log, for all its rows."""
    assert message.channel_id is not None
    unset = UNSET_VALUE
    exact = message.exact
    values = [
        unset if message.uuid_high is None else _PACK_UNSIGNED(message.uuid_high),
        _PACK_TINYINT(message.type),
        unset if message.author_id is None else _PACK_BIGINT(message.author_id),
        _text(message.login),
        _text(message.display_name),
        _text(message.text),
        _text(message.system_text),
        unset if message.color is None else _PACK_INT(message.color),
        _text(message.badges),
        _text(message.badge_info),
        _text(message.emotes),
        unset if message.client_nonce is None else message.client_nonce,
        _text(message.channel_login),
        _PACK_BIGINT(message.flags),
        _text(message.extra),
        unset if exact is None else exact.encode("utf-8", "surrogateescape"),
    ]
    channel_id = _PACK_BIGINT(message.channel_id)
    return PackedMessage(message.author_id, timeuuid(message.position), values, channel_id, size_of(values))


def row_values(shape: Shape, key: Key, bucket_ms: int, packed: PackedMessage) -> list[Value]:
    """Give the values of a row in the order of `store.statements.insert`, but for its timestamp and TTL.

    Args:
        shape: in which table.
        key: whose log.
        bucket_ms: the start of the bucket, Unix milliseconds.
        packed: what is written.
    """
    values = [*map(_PACK_BIGINT, key), _PACK_BIGINT(bucket_ms), packed.sent, *packed.values]
    if shape.key[-1] == "user_id":
        if packed.author_id == key[-1]:
            values[len(key) + 2 + _AUTHOR_AT] = UNSET_VALUE
        elif packed.author_id is None:
            values[len(key) + 2 + _AUTHOR_AT] = _PACK_BIGINT(_NOBODY)
    if "channel_id" not in shape.key:
        values.append(packed.channel_id)
    return values


def reader_of(shape: Shape, key: Key) -> Callable[[tuple[Any, ...]], Message]:
    """Give the function that makes a message of a row of one log, read as `selected`."""
    owner = key[-1] if shape.key[-1] == "user_id" else None
    channel = key[0] if "channel_id" in shape.key else None
    types = {int(kind): kind for kind in MessageType}
    time_of, low_mask, from_bytes = keys.time_of, keys.LOW_MASK, int.from_bytes

    def read(row: tuple[Any, ...]) -> Message:
        (sent, uuid_high, kind, author_id, login, display_name, text, system_text, color, badges, badge_info, emotes,
         client_nonce, channel_login, flags, extra, line, *rest) = row  # fmt: skip
        number = from_bytes(sent, "big")
        return Message(
            types[kind],
            time_of(number),
            number & low_mask,
            None if uuid_high is None else uuid_high & low_mask,
            rest[0] if channel is None else channel,
            owner if author_id is None else author_id or None,
            login,
            display_name,
            text,
            system_text,
            color,
            badges,
            badge_info,
            emotes,
            client_nonce,
            channel_login,
            flags,
            extra,
            None if line is None else line.decode("utf-8", "surrogateescape"),
        )

    return read
