"""Between an IRC line and its columns: reading one into the other and back, byte for byte.

The columns are `store.message`'s attributes, the tags `store.tags`'. Line format: RFC 1459, 2.3.1, and
https://ircv3.net/specs/extensions/message-tags.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from store import keys, tags
from store.errors import LineError
from store.tags import ABSENT, ACTION_SHIFT, COLUMN, KNOWN_TAGS, Encode, KnownTag

if TYPE_CHECKING:
    from store.message import Message

_ACTION_START, _ACTION_END = "\x01ACTION ", "\x01"
_WHOLE, _UNENDED = 1, 2

Columns = dict[str, Any]


def split(line: str) -> tuple[str, str, str, list[str], str | None]:
    """Split a line into its tags, prefix, command, middle parameters, and its trailing one (None if it has none)."""
    tag_part = prefix = ""
    rest = line
    if rest.startswith("@"):
        tag_part, _, rest = rest[1:].partition(" ")
    if rest.startswith(":"):
        prefix, _, rest = rest[1:].partition(" ")
    middle, colon, trailing = rest.partition(" :")
    command, *params = middle.split(" ")
    return tag_part, prefix, command, params, trailing if colon else None


def sound(line: str) -> str:
    """Give the line with U+FFFD where its bytes were no UTF-8.

    Raises:
        LineError: it holds code points that no bytes decode to.
    """
    try:
        return tags.sound(line)
    except UnicodeEncodeError:
        raise LineError("the line holds lone surrogates, which no bytes decode to") from None


def read(command: str, nick: str, tag_part: str, channel_login: str, text: str | None) -> Columns:
    """Read the parts of a chat line into columns.

    Args:
        command: PRIVMSG, USERNOTICE, CLEARCHAT or CLEARMSG.
        nick: the login in the prefix.
        tag_part: the tags, without the leading `@`.
        channel_login: without its `#`.
        text: the last parameter; None if there is none.
    """
    columns: Columns = {"channel_login": channel_login}
    flags = _read_tags(tag_part, columns) if tag_part else 0
    if command == "PRIVMSG":
        columns["login"] = nick
        if text is not None and text.startswith(_ACTION_START):
            text = text[len(_ACTION_START) :]
            flags |= (_WHOLE if text.endswith(_ACTION_END) else _UNENDED) << ACTION_SHIFT
            text = text.removesuffix(_ACTION_END)
    elif command == "CLEARCHAT":
        columns["login"], text = text, None
    columns["text"] = text
    columns["flags"] = flags
    if columns.get("display_name") == columns.get("login"):
        columns["display_name"] = None
    return columns


def _read_tags(tag_part: str, columns: Columns) -> int:
    flags, extra = 0, []
    known_tags = KNOWN_TAGS
    for pair in tag_part.split(";"):
        name, _, value = pair.partition("=")
        known = known_tags.get(name)
        if known is None or flags >> known.shift & COLUMN:
            extra.append(pair)
        elif (bits := known.states.get(value)) is not None:
            flags |= bits
        elif known.decode is not None and (decoded := known.decode(value)) is not None:
            columns[known.column] = decoded
            flags |= COLUMN << known.shift
        else:
            extra.append(pair)
    if extra:
        extra.sort()
        columns["extra"] = ";".join(extra)
    return flags


@dataclass(frozen=True, slots=True)
class _Layout:
    """The known tags that a line has, in its order.

    Attributes:
        tags: every name, with its value or, where a column holds that, nothing yet.
        columns: the names whose values columns hold.
        read: gives those values of a message as the columns have them.
        encoders: what writes a value otherwise than it is, and which.
        template: the tags as they stand in the line, with a place for each of those.
    """

    tags: dict[str, str]
    columns: tuple[str, ...]
    read: Callable[[Message], tuple[Any, ...]]
    encoders: tuple[tuple[int, Encode], ...]
    template: str

    def values(self, message: Message) -> list[Any]:
        """Give the values that columns hold: texts as they stand in the line, and numbers."""
        values = list(self.read(message))
        for at, encode in self.encoders:
            values[at] = encode(values[at])
        return values


@lru_cache(maxsize=4096)
def _layout(flags: int) -> _Layout:
    """Give the layout that `flags` stands for; Twitch sorts its tags as `name=value`."""
    found: list[tuple[str, KnownTag, int]] = []
    for known in KNOWN_TAGS.values():
        state = flags >> known.shift & 3
        if state != ABSENT:
            found.append((f"{known.name}={known.usual[state - 1] if state != COLUMN else ''}", known, state))
    found.sort(key=lambda row: row[0])
    held = [known for _, known, state in found if state == COLUMN]
    return _Layout(
        {known.name: "" if state == COLUMN else known.usual[state - 1] for _, known, state in found},
        tuple(known.name for known in held),
        _reader([known.shown for known in held]),
        tuple((at, known.encode) for at, known in enumerate(held) if known.encode is not None),
        ";".join(pair + "%s" if state == COLUMN else pair for pair, _, state in found),
    )


def _reader(names: list[str]) -> Callable[[Message], tuple[Any, ...]]:
    """Give what reads attributes of a message, in one go where there are several."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda message: tuple([getattr(message, name) for name in names])


def rebuild(message: Message) -> str:
    """Write the line that the columns of a message stand for; `exact` is not looked at."""
    layout = _layout(message.flags)
    tag_part = layout.template % tuple(layout.values(message))
    if message.extra is not None:
        tag_part = _merged(tag_part, message.extra)
    return f"@{tag_part} {_after_tags(message)}" if tag_part else _after_tags(message)


def rebuild_with_tags(message: Message) -> tuple[str, dict[str, str]]:
    """Write the line that the columns stand for, and give its tags, unescaped: quicker than one after the other."""
    layout = _layout(message.flags)
    values = layout.values(message)
    tag_part = layout.template % tuple(values)
    if message.extra is not None:
        tag_part = _merged(tag_part, message.extra)
        found = dict(tags.split_pairs(tag_part))
    else:
        found = layout.tags | dict(zip(layout.columns, map(str, values), strict=True))
        if "\\" in tag_part:
            found = {name: tags.unescape(value) for name, value in found.items()}
    return (f"@{tag_part} {_after_tags(message)}" if tag_part else _after_tags(message)), found


def _merged(tag_part: str, extra: str) -> str:
    """Put the tags that have no column among those that have."""
    pairs = [*(tag_part.split(";") if tag_part else ()), *extra.split(";")]
    pairs.sort()
    return ";".join(pairs)


def _after_tags(message: Message) -> str:
    """Write what follows the tags of a line."""
    name, login, text = message.type.name, message.login, message.text
    if name == "PRIVMSG":
        prefix = f":{login}!{login}@{login}.tmi.twitch.tv"
        if wrapper := message.flags >> ACTION_SHIFT:
            text = f"{_ACTION_START}{text}{_ACTION_END if wrapper == _WHOLE else ''}"
    else:
        prefix = ":tmi.twitch.tv"
        if name == "CLEARCHAT":
            text = login
    line = f"{prefix} {name} #{message.channel_login}"
    return line if text is None else f"{line} :{text}"


def identity(command: str, columns: Columns, line: str, occurrence: int) -> str:
    """Give the text whose hash tells an event without a UUID from others in the same millisecond.

    A CLEARCHAT or CLEARMSG is the same event however its line is written (a back-filled copy carries other tags).
    Of other lines without an id only the same bytes are the same line, and in a file not even those.
    """
    extra = columns.get("extra")
    if command == "CLEARCHAT":
        duration = tags.find(extra, "ban-duration")
        return f"CLEARCHAT|{columns['channel_id']}|{columns.get('author_id')}|{columns['login']}|{duration}"
    if command == "CLEARMSG":
        return f"CLEARMSG|{columns['channel_id']}|{tags.find(extra, 'target-msg-id')}|{columns['text']}"
    if own := tags.find(extra, "id"):
        return f"id|{own.lower()}"
    if tags.find(extra, tags.SOURCE):
        # Who it was may be learnt when the line is stored already.
        line = line.replace(f";user-id={columns.get('author_id')}", "", 1)
    return f"{line}\n{occurrence}" if occurrence else line


def key(command: str, columns: Columns, line: str, occurrence: int) -> tuple[int | None, int]:
    """Decide the high half of a message's own UUID (None if it has none) and the low half of its timeuuid."""
    own: int | None = columns.pop("uuid", None)
    if own is not None:
        return own >> 64, own & keys.LOW_MASK
    return None, keys.hashed_low(identity(command, columns, line, occurrence))
