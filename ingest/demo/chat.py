"""The demo chat's lines: the i-th line of a channel can be computed, so any answer about it can be checked.

How they reach a reader is `ingest.demo.server`'s.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from ingest.demo import words
from store.tags import escape

EPOCH_MS = 1_767_225_600_000
"""When line 0 is sent unless said otherwise: 2026-01-01T00:00:00Z, so that a restart says nothing a second time."""

_CHATTERS = 400
_REGULARS_POWER = 3  # the higher, the more of the talk is done by few
_FIRST_USER_ID = 100_000_000
_FIRST_CHANNEL_ID = 900_000_000
_LOOK_BACK = 40


@dataclass(frozen=True, slots=True)
class Chatter:
    """Someone who chats: always the same for the same seed, channel and number."""

    user_id: int
    login: str
    display_name: str
    color: str
    badges: str
    badge_info: str
    is_subscriber: bool
    is_moderator: bool


class _Dice:
    """Bytes that only the seed, the channel and the number of a line decide, taken from one after the other."""

    __slots__ = ("_at", "_bytes")

    def __init__(self, *what: object) -> None:
        self._bytes = hashlib.blake2b("|".join(map(str, what)).encode()).digest()
        self._at = 16  # the first half kilobit is for the line's id

    @property
    def id(self) -> str:
        """A UUID of version 4."""
        return str(uuid.UUID(bytes=self._bytes[:16], version=4))

    def throw(self, sides: int) -> int:
        """Give a number from 0 up to one less than the sides (at most 65,536)."""
        self._at += 2
        return int.from_bytes(self._bytes[self._at - 2 : self._at], "big") * sides >> 16


@dataclass(frozen=True)
class DemoChat:
    """A made-up chat.

    Attributes:
        seed: decides everything but the times.
        channels: their logins.
        rate: lines a second, in each channel.
    """

    seed: int = 1
    channels: tuple[str, ...] = ("demo",)
    rate: float = 5.0

    def channel_id(self, channel: str) -> int:
        """Give the id of a channel."""
        return _FIRST_CHANNEL_ID + int.from_bytes(hashlib.blake2b(channel.encode(), digest_size=3).digest(), "big")

    def time_of(self, number: int, epoch_ms: int) -> int:
        """Give when a line is sent, Unix milliseconds."""
        return epoch_ms + int(number * 1000 / self.rate)

    def numbers_between(self, from_ms: int, to_ms: int, epoch_ms: int) -> range:
        """Give the numbers of the lines that are sent in `[from_ms, to_ms)`."""
        first, last = (self._first_at_or_after(ms, epoch_ms) for ms in (from_ms, to_ms))
        return range(first, max(first, last))

    def lines_between(self, channel: str, from_ms: int, to_ms: int, epoch_ms: int) -> Iterator[str]:
        """Yield the lines of a channel that are sent in `[from_ms, to_ms)`."""
        for number in self.numbers_between(from_ms, to_ms, epoch_ms):
            yield self.line(channel, number, epoch_ms)

    def line(self, channel: str, number: int, epoch_ms: int) -> str:
        """Give a line.

        Args:
            channel: in which channel.
            number: the how-manieth, from 0.
            epoch_ms: when line 0 is sent, Unix milliseconds.
        """
        dice = _Dice(self.seed, channel, number)
        return _kind(dice.throw(1000))(self, channel, number, epoch_ms, dice)

    def id_of(self, channel: str, number: int) -> str:
        """Give the id of a line."""
        return _Dice(self.seed, channel, number).id

    def _first_at_or_after(self, ms: int, epoch_ms: int) -> int:
        number = max(0, int((ms - epoch_ms) * self.rate / 1000) - 1)
        while self.time_of(number, epoch_ms) < ms:
            number += 1
        return number

    def _said_before(self, channel: str, number: int, dice: _Dice) -> int | None:
        """Give the number of something said shortly before a line."""
        for back in range(1 + dice.throw(5), _LOOK_BACK):
            other = number - back
            if other >= 0 and _kind(_Dice(self.seed, channel, other).throw(1000)) is _said:
                return other
        return None

    def _author(self, channel: str, number: int) -> Chatter:
        dice = _Dice(self.seed, channel, number)
        dice.throw(1000)
        return self._chatter(channel, dice)

    def _chatter(self, channel: str, dice: _Dice) -> Chatter:
        share = dice.throw(65_536) / 65_536
        return _chatter(self.seed, channel, int(_CHATTERS * share**_REGULARS_POWER))


@lru_cache(maxsize=100_000)
def _chatter(seed: int, channel: str, number: int) -> Chatter:
    dice = _Dice(seed, channel, "chatter", number)
    first, second = words.FIRST[dice.throw(len(words.FIRST))], words.SECOND[dice.throw(len(words.SECOND))]
    login = f"{first}_{second}{number}"
    shown = f"{first.title()}{second.title()}{number}" if dice.throw(3) else login
    months = dice.throw(40) if dice.throw(3) == 0 else 0
    is_moderator = number in (3, 17)
    badges = ["moderator/1"] if is_moderator else []
    if months:
        badges.append(f"subscriber/{months // 6 * 6}")
    if dice.throw(5) == 0:
        badges.append("premium/1")
    color = words.COLORS[dice.throw(len(words.COLORS))] if dice.throw(8) else ""
    user_id = _FIRST_USER_ID + int.from_bytes(hashlib.blake2b(login.encode(), digest_size=3).digest(), "big") * 8
    return Chatter(
        user_id,
        login,
        # A display name differs from its login in case alone, so the underscore stays.
        f"{first.title()}_{second.title()}{number}" if shown != login else login,
        color,
        ",".join(badges),
        f"subscriber/{months}" if months else "",
        bool(months),
        is_moderator,
    )


def _tagged(pairs: dict[str, str], rest: str) -> str:
    return f"@{';'.join(sorted(f'{name}={value}' for name, value in pairs.items()))} {rest}"


def _emotes(text: str) -> str:
    """Give the emotes tag of a text: where each of Twitch's emotes stands, in code points."""
    places: dict[str, list[str]] = {}
    at = 0
    for word in text.split(" "):
        if word in words.EMOTES:
            places.setdefault(words.EMOTES[word], []).append(f"{at}-{at + len(word) - 1}")
        at += len(word) + 1
    return "/".join(f"{emote}:{','.join(found)}" for emote, found in places.items())


def _author_tags(
    chat: DemoChat, channel: str, number: int, epoch_ms: int, chatter: Chatter, own_id: str
) -> dict[str, str]:
    return {
        "badge-info": chatter.badge_info,
        "badges": chatter.badges,
        "color": chatter.color,
        "display-name": chatter.display_name,
        "emotes": "",
        "flags": "",
        "id": own_id,
        "mod": "01"[chatter.is_moderator],
        "room-id": str(chat.channel_id(channel)),
        "subscriber": "01"[chatter.is_subscriber],
        "tmi-sent-ts": str(chat.time_of(number, epoch_ms)),
        "user-id": str(chatter.user_id),
        "user-type": "mod" if chatter.is_moderator else "",
    }


def _said(chat: DemoChat, channel: str, number: int, epoch_ms: int, dice: _Dice) -> str:
    chatter = chat._chatter(channel, dice)  # noqa: SLF001 - the kinds of line are the chat's own
    text = words.TEXTS[dice.throw(len(words.TEXTS))]
    pairs = _author_tags(chat, channel, number, epoch_ms, chatter, dice.id)
    pairs |= {"emotes": _emotes(text), "first-msg": "0", "returning-chatter": "0", "turbo": "0"}
    if dice.throw(2):
        pairs["client-nonce"] = hashlib.blake2b(dice.id.encode(), digest_size=16).hexdigest()
    special = dice.throw(100)
    if special < 3:
        text = f"\x01ACTION {text}\x01"
    elif special < 5:
        bits = (1, 10, 100)[dice.throw(3)]
        pairs["bits"], text, pairs["emotes"] = str(bits), f"Cheer{bits} {text}", ""
    elif special < 12 and (parent := chat._said_before(channel, number, dice)) is not None:  # noqa: SLF001
        pairs |= _reply_tags(chat, channel, parent)
        text = f"@{pairs['reply-parent-display-name']} {text}"
        pairs["emotes"] = _emotes(text)
    elif special < 13:
        pairs |= {"source-room-id": str(chat.channel_id(f"{channel}_friend")), "source-id": str(uuid.UUID(dice.id)),
                  "source-badges": "", "source-badge-info": "", "source-only": "0"}  # fmt: skip
    login = chatter.login
    return _tagged(pairs, f":{login}!{login}@{login}.tmi.twitch.tv PRIVMSG #{channel} :{text}")


def _reply_tags(chat: DemoChat, channel: str, parent: int) -> dict[str, str]:
    author = chat._author(channel, parent)  # noqa: SLF001
    dice = _Dice(chat.seed, channel, parent)
    dice.throw(1000)
    dice.throw(65_536)
    about = {
        "parent-display-name": author.display_name,
        "parent-msg-id": dice.id,
        "parent-user-id": str(author.user_id),
        "parent-user-login": author.login,
    }
    return {
        **{f"reply-{name}": value for name, value in about.items()},
        **{f"reply-thread-{name}": value for name, value in about.items()},
        "reply-parent-msg-body": escape(words.TEXTS[dice.throw(len(words.TEXTS))]),
    }


def _notice(
    chat: DemoChat, channel: str, number: int, epoch_ms: int, dice: _Dice, more: dict[str, str], text: str = ""
) -> str:
    chatter = chat._chatter(channel, dice)  # noqa: SLF001
    pairs = (
        _author_tags(chat, channel, number, epoch_ms, chatter, dice.id) | {"login": chatter.login, "vip": "0"} | more
    )
    pairs["system-msg"] = escape(pairs["system-msg"].replace("NAME", chatter.display_name))
    return _tagged(pairs, f":tmi.twitch.tv USERNOTICE #{channel}" + (f" :{text}" if text else ""))


def _subscribed(chat: DemoChat, channel: str, number: int, epoch_ms: int, dice: _Dice) -> str:
    months = 2 + dice.throw(30)
    more = {
        "msg-id": "resub",
        "msg-param-cumulative-months": str(months),
        "msg-param-months": "0",
        "msg-param-should-share-streak": "0",
        "msg-param-sub-plan": "1000",
        "msg-param-sub-plan-name": escape(f"Friends of {channel}"),
        "system-msg": f"NAME subscribed at Tier 1. They've subscribed for {months} months!",
    }
    return _notice(chat, channel, number, epoch_ms, dice, more, "still here" if months % 2 else "")


def _gifted(chat: DemoChat, channel: str, number: int, epoch_ms: int, dice: _Dice) -> str:
    recipient = _chatter(chat.seed, channel, dice.throw(_CHATTERS))
    more = {
        "msg-id": "subgift",
        "msg-param-gift-months": "1",
        "msg-param-months": "1",
        "msg-param-recipient-display-name": recipient.display_name,
        "msg-param-recipient-id": str(recipient.user_id),
        "msg-param-recipient-user-name": recipient.login,
        "msg-param-sub-plan": "1000",
        "msg-param-sub-plan-name": escape(f"Friends of {channel}"),
        "system-msg": f"NAME gifted a Tier 1 sub to {recipient.display_name}!",
    }
    return _notice(chat, channel, number, epoch_ms, dice, more)


def _announced(chat: DemoChat, channel: str, number: int, epoch_ms: int, dice: _Dice) -> str:
    more = {"msg-id": "announcement", "msg-param-color": "PRIMARY", "system-msg": ""}
    text = words.ANNOUNCEMENTS[dice.throw(len(words.ANNOUNCEMENTS))]
    return _notice(chat, channel, number, epoch_ms, dice, more, text)


def _raided(chat: DemoChat, channel: str, number: int, epoch_ms: int, dice: _Dice) -> str:
    viewers = 5 + dice.throw(400)
    more = {
        "msg-id": "raid",
        "msg-param-viewerCount": str(viewers),
        "system-msg": f"{viewers} raiders from NAME have joined!",
    }
    return _notice(chat, channel, number, epoch_ms, dice, more)


def _timed_out(chat: DemoChat, channel: str, number: int, epoch_ms: int, dice: _Dice) -> str:
    chatter = chat._chatter(channel, dice)  # noqa: SLF001
    pairs = {
        "room-id": str(chat.channel_id(channel)),
        "target-user-id": str(chatter.user_id),
        "tmi-sent-ts": str(chat.time_of(number, epoch_ms)),
    }
    if dice.throw(10):
        pairs["ban-duration"] = str((1, 60, 600)[dice.throw(3)])
    return _tagged(pairs, f":tmi.twitch.tv CLEARCHAT #{channel} :{chatter.login}")


def _cleared(chat: DemoChat, channel: str, number: int, epoch_ms: int, _dice: _Dice) -> str:
    pairs = {"room-id": str(chat.channel_id(channel)), "tmi-sent-ts": str(chat.time_of(number, epoch_ms))}
    return _tagged(pairs, f":tmi.twitch.tv CLEARCHAT #{channel}")


def _deleted(chat: DemoChat, channel: str, number: int, epoch_ms: int, dice: _Dice) -> str:
    target = chat._said_before(channel, number, dice)  # noqa: SLF001
    if target is None:
        return _said(chat, channel, number, epoch_ms, dice)
    found = chat.line(channel, target, epoch_ms)
    author = chat._author(channel, target)  # noqa: SLF001
    pairs = {
        "login": author.login,
        "room-id": "",
        "target-msg-id": chat.id_of(channel, target),
        "tmi-sent-ts": str(chat.time_of(number, epoch_ms)),
    }
    return _tagged(pairs, f":tmi.twitch.tv CLEARMSG #{channel} :{found.partition(f' PRIVMSG #{channel} :')[2]}")


_Kind = Callable[[DemoChat, str, int, int, _Dice], str]
_SHARES: tuple[tuple[int, _Kind], ...] = (
    (12, _timed_out),
    (8, _subscribed),
    (6, _gifted),
    (5, _deleted),
    (2, _announced),
    (1, _raided),
    (1, _cleared),
)
"""Of a thousand lines, how many are of each kind; the others are said."""


def _kind(throw: int) -> _Kind:
    for share, kind in _SHARES:
        if throw < share:
            return kind
        throw -= share
    return _said
