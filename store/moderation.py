"""What moderators remove: the events that do, their rows, and which lines they hit.

The events are lines like others and stand in the logs; here is what a page needs to know of them. `store.removals`
reads it, `store.writer` writes it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from cassandra.query import UNSET_VALUE

from store import rows, tags
from store.keys import MS_IN_HOUR, Position, Width
from store.message import Message, MessageType
from store.session import Session

REACH_MS = 6 * MS_IN_HOUR
"""How old a line may be that is removed. Twitch lets moderators delete a message for six hours
(https://dev.twitch.tv/docs/api/reference/#delete-chat-messages) and says of bans, time-outs and cleared rooms only that
they remove what is still in the chat; that is taken to be as long."""

OF_CHANNEL, OF_LOGIN = "channel_moderation", "user_moderation"
TABLES = (OF_CHANNEL, OF_LOGIN)
WIDTH = Width.MONTH
WHOLE_ROOM = ""
"""The login under which a cleared room stands."""

COLUMNS = ("sent", "type", "user_id", "login", "seconds", "target")
KEYS = {OF_CHANNEL: ("channel_id", "bucket"), OF_LOGIN: ("channel_id", "login")}
"""The partition key of each table."""

_HIT = (MessageType.PRIVMSG, MessageType.USERNOTICE)


class By(StrEnum):
    """What removed a line."""

    CLEARMSG = "clearmsg"
    BAN = "ban"
    TIMEOUT = "timeout"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class Event:
    """Something a moderator did.

    Attributes:
        position: where it stands in the channel's log.
        by: what it was.
        user_id: whom a ban or time-out hit; None where that is not said.
        login: the same, or whose line was removed; empty for a cleared room.
        seconds: of a time-out.
        target: the id of the line that was removed.
    """

    position: Position
    by: By
    user_id: int | None
    login: str
    seconds: int | None
    target: str | None


@dataclass(frozen=True, slots=True)
class Removal:
    """How a line was removed: by what, and when in Unix milliseconds."""

    by: By
    at_ms: int


def insert(session: Session, table: str) -> str:
    """Write a row; the last two values are its timestamp in microseconds and its TTL in seconds (0: for ever)."""
    columns = (*KEYS[table], *(column for column in COLUMNS if column not in KEYS[table]))
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {session.table(table)} ({', '.join(columns)}) VALUES ({marks}) USING TIMESTAMP ? AND TTL ?"


def select(session: Session, table: str, *, descending: bool = False) -> str:
    """Read the rows of a partition strictly between two timeuuids; the last value is how many at most."""
    where = " AND ".join(f"{column} = ?" for column in KEYS[table])
    order = "DESC" if descending else "ASC"
    return (
        f"SELECT {', '.join(COLUMNS)} FROM {session.table(table)} WHERE {where} "
        f"AND sent > ? AND sent < ? ORDER BY sent {order} LIMIT ?"
    )


def rows_of(message: Message) -> Iterator[tuple[str, tuple[int, int | str], list[rows.Value]]]:
    """Yield the rows of a message that removes lines: table, partition key, and values but for timestamp and TTL."""
    if message.type not in (MessageType.CLEARCHAT, MessageType.CLEARMSG) or message.channel_id is None:
        return
    login = (message.login or WHOLE_ROOM).lower()
    seconds = message.ban_seconds
    target = tags.find(message.extra, "target-msg-id")
    channel, sent = rows.bigint(message.channel_id), rows.timeuuid(message.position)
    bucket = WIDTH.start(message.position.sent_ms)
    kind = [
        rows.tinyint(message.type),
        UNSET_VALUE if message.author_id is None else rows.bigint(message.author_id),
    ]
    about = [
        UNSET_VALUE if seconds is None else rows.int32(min(seconds, 2**31 - 1)),
        target.encode() if target else UNSET_VALUE,
    ]
    whom = login.encode()
    yield OF_CHANNEL, (message.channel_id, bucket), [channel, rows.bigint(bucket), sent, *kind, whom, *about]
    yield OF_LOGIN, (message.channel_id, login), [channel, whom, sent, *kind, *about]


def event(row: tuple[object, ...]) -> Event:
    """Read a row in the order of COLUMNS."""
    sent, kind, user_id, login, seconds, target = row
    number: int = sent.int  # type: ignore[attr-defined]
    if kind == MessageType.CLEARMSG:
        by = By.CLEARMSG
    elif not login:
        by = By.CLEAR
    else:
        by = By.BAN if seconds is None else By.TIMEOUT
    return Event(rows.position(number), by, user_id, str(login or ""), seconds, target)  # type: ignore[arg-type]


def removed(messages: Iterable[Message], events: Iterable[Event]) -> dict[Position, Removal]:
    """Say which lines of one channel were removed, each by the first event that hit it.

    Args:
        messages: lines of the channel.
        events: of the same channel, in any order.
    """
    by_target: dict[str, list[Event]] = defaultdict(list)
    by_user: dict[int | str, list[Event]] = defaultdict(list)
    for each in sorted(events, key=lambda each: each.position.order):
        if each.by is By.CLEARMSG:
            by_target[each.target or ""].append(each)
        else:
            by_user[each.user_id or each.login].append(each)
    found: dict[Position, Removal] = {}
    if not by_target and not by_user:
        return found
    for message in messages:
        if message.type not in _HIT:
            continue
        at = message.position
        hits = _first_after(by_target.get(message.id, []), at) if by_target else []
        for whom in (message.author_id, (message.login or "").lower(), WHOLE_ROOM):
            if whom is not None and whom in by_user:
                hits += _first_after(by_user[whom], at)
        if hits:
            first = min(hits, key=lambda each: each.position.order)
            found[at] = Removal(first.by, first.position.sent_ms)
    return found


def _first_after(events: list[Event], at: Position) -> list[Event]:
    """Give the first event at or after the time of a line, if it reaches that far back."""
    place = bisect_left(events, at.sent_ms, key=lambda each: each.position.sent_ms)
    return [each for each in events[place : place + 1] if each.position.sent_ms - at.sent_ms <= REACH_MS]
