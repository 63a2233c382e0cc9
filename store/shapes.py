"""The query shapes as data: each question a client may ask, with the table whose one partition answers it.

One writer and one reader serve all of them. A new question is one more entry here and one more CQL file for its table
and one for its index.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from store.keys import Width

Key = tuple[int, ...]
"""The values of a shape's key columns: whose log it is."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A question and its table.

    Attributes:
        name: what a cursor calls it.
        table: where its rows are.
        index: which buckets exist.
        key: the columns that say whose log it is; with `bucket` they are the partition key.
        width: how wide a bucket is unless something else is decided for one key.
        keys_of: from a message's channel and users to the keys of the logs in which it stands.
    """

    name: str
    table: str
    index: str
    key: tuple[str, ...]
    width: Width
    keys_of: Callable[[int, tuple[int, ...]], list[Key]]


def _channel(channel_id: int, _users: tuple[int, ...]) -> list[Key]:
    return [(channel_id,)]


def _channel_users(channel_id: int, users: tuple[int, ...]) -> list[Key]:
    return [(channel_id, user) for user in users]


def _users(_channel_id: int, users: tuple[int, ...]) -> list[Key]:
    return [(user,) for user in users]


CHANNEL = Shape("channel", "channel_messages", "channel_buckets", ("channel_id",), Width.DAY, _channel)
CHANNEL_USER = Shape(
    "channel_user",
    "channel_user_messages",
    "channel_user_buckets",
    ("channel_id", "user_id"),
    Width.MONTH,
    _channel_users,
)
USER = Shape("user", "user_messages", "user_buckets", ("user_id",), Width.MONTH, _users)

SHAPES: tuple[Shape, ...] = (CHANNEL, CHANNEL_USER, USER)
