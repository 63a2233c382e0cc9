"""What a line says of others than those whose line it is, and the line without that.

A reply quotes what it answers; a notice of a passed-on gift names who gave it. Such a line is its author's, and stays;
of someone who has opted out it gives neither name nor text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from store import tags
from store.message import Message

IsOut = Callable[[int | None, str, int], bool]
"""Whether a user, by id (None where none is said) and login, is out at a time in Unix milliseconds."""


@dataclass(frozen=True, slots=True)
class _Named:
    """The tags that name one other user.

    Attributes:
        user_id: which has the id; empty if none does.
        login: which has the login.
        names: which others have a name.
        texts: which quote what was said.
    """

    user_id: str
    login: str
    names: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


# https://dev.twitch.tv/docs/chat/irc/#tags
_NAMED = (
    _Named(
        "reply-parent-user-id", "reply-parent-user-login", ("reply-parent-display-name",), ("reply-parent-msg-body",)
    ),
    _Named("reply-thread-parent-user-id", "reply-thread-parent-user-login", ("reply-thread-parent-display-name",)),
    _Named("", "msg-param-sender-login", ("msg-param-sender-name",)),
    _Named("msg-param-prior-gifter-id", "msg-param-prior-gifter-user-name", ("msg-param-prior-gifter-display-name",)),
    _Named("msg-param-gifter-id", "msg-param-gifter-login", ("msg-param-gifter-name",)),
)
_ANY = re.compile("reply-parent-user|reply-thread-parent-user|msg-param-sender|gifter")
_ANY_IN_LINE = re.compile(_ANY.pattern.encode())
_MASK = "*"


def may_quote(line: bytes) -> bool:
    """Say whether a line may name others than those whose it is; quick, and never wrong where it says no."""
    return _ANY_IN_LINE.search(line) is not None


def unquoted(message: Message, is_out: IsOut) -> Message:
    """Give a line without names and texts of those who are out; the line itself if it has none.

    The tags keep their places with empty values, so that clients that expect them find them. The mention that Twitch
    puts before a reply (`@Ada_Lift `), and the names in the sentence of a notice, are masked; in a text the mask is as
    long as the name, since the places of emotes are counted in it.
    """
    extra = message.extra
    if extra is None or not _ANY.search(extra):
        return message
    found = dict(tags.split_pairs(extra))
    blanked: set[str] = set()
    names: set[str] = set()
    for named in _NAMED:
        login = found.get(named.login, "")
        user_id = tags.number(found.get(named.user_id, ""))
        if (login or user_id) and is_out(user_id, login, message.sent_ms or 0):
            blanked |= {named.user_id, named.login, *named.names, *named.texts}
            names |= {found[name] for name in (named.login, *named.names) if found.get(name)}
    if not blanked:
        return message
    pairs = (pair if (name := pair.partition("=")[0]) not in blanked else f"{name}=" for pair in extra.split(";"))
    # Without `exact` the line is written from the columns: its tags in Twitch's order, whatever order they had.
    return replace(
        message,
        extra=";".join(pairs),
        text=_masked_mention(message.text, names),
        system_text=_masked(message.system_text, names),
        exact=None,
    )


def _masked_mention(text: str | None, names: set[str]) -> str | None:
    if not text or not text.startswith("@"):
        return text
    word = text[1:].partition(" ")[0]
    if word.rstrip(",:").lower() not in {name.lower() for name in names}:
        return text
    return f"@{_MASK * len(word)}{text[1 + len(word) :]}"


def _masked(text: str | None, names: set[str]) -> str | None:
    if not text:
        return text
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", _MASK * 3, text, flags=re.IGNORECASE)
    return text
