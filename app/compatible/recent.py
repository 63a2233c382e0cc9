"""How lines look in the answer of recent-messages: as they were sent, with tags that say what became of them.

What the service of that name does is read from github.com/robotty/recent-messages2.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import AliasChoices, BaseModel, Field

from store import tags
from store.keys import LATEST_MS
from store.message import Message, MessageType

MOST = 800
"""Lines in an answer, as on the public instance."""

_SAID = (MessageType.PRIVMSG, MessageType.USERNOTICE)
_MODERATION = (MessageType.CLEARCHAT, MessageType.CLEARMSG)
_UNITS = ((86_400, "day"), (3600, "h"), (60, "m"), (1, "s"))


class RecentParams(BaseModel):
    """What can be asked of recent-messages; its older names in camel case are taken, too."""

    limit: int | None = Field(default=None, ge=0, description=f"The newest so many; {MOST} at most.")
    before: int | None = Field(
        default=None, ge=0, le=LATEST_MS, description="Only lines before this, Unix milliseconds."
    )
    after: int | None = Field(default=None, ge=0, le=LATEST_MS, description="Only lines after this, Unix milliseconds.")
    hide_moderation_messages: bool = Field(
        default=False,
        validation_alias=AliasChoices("hide_moderation_messages", "hideModerationMessages"),
        description="Leave CLEARCHAT and CLEARMSG out.",
    )
    hide_moderated_messages: bool = Field(
        default=False,
        validation_alias=AliasChoices("hide_moderated_messages", "hideModeratedMessages"),
        description="Leave out what they removed.",
    )
    clearchat_to_notice: bool = Field(
        default=False,
        validation_alias=AliasChoices("clearchat_to_notice", "clearchatToNotice"),
        description="Write a CLEARCHAT as a NOTICE.",
    )

    @property
    def first_ms(self) -> int | None:
        """The first millisecond after `after`."""
        return None if self.after is None else self.after + 1


def exported(messages: Sequence[Message], later: Sequence[Message], params: RecentParams) -> list[str]:
    """Write lines as the service does.

    Args:
        messages: oldest first.
        later: what followed them: it is not written, but may have removed some of them.
        params: what is asked for.
    """
    removed = _removed([*messages, *later])
    shown = []
    for message in messages:
        gone = id(message) in removed
        if (gone and params.hide_moderated_messages) or (
            params.hide_moderation_messages and message.type in _MODERATION
        ):
            continue
        line = tags.sound(message.line)
        if params.clearchat_to_notice and message.type is MessageType.CLEARCHAT:
            line = _notice(message)
        shown.append(_marked(line, message.sent_ms or 0, gone=gone))
    return shown


def _removed(messages: Sequence[Message]) -> set[int]:
    """Give the identities of the messages that a later one removed; whoever comes last is looked at first."""
    removed: set[int] = set()
    cleared = False
    users: set[object] = set()
    targets: set[str] = set()
    for message in reversed(messages):
        said = message.type in _SAID
        if cleared or (said and (message.author_id in users or message.login in users or message.id in targets)):
            removed.add(id(message))
        if message.type is MessageType.CLEARMSG:
            targets.add(tags.find(message.extra, "target-msg-id").lower())
        elif message.type is MessageType.CLEARCHAT:
            if message.login:
                users.add(message.login if message.author_id is None else message.author_id)
            else:
                cleared = True
    return removed


def _notice(message: Message) -> str:
    """Write what a CLEARCHAT says as a NOTICE."""
    seconds = message.ban_seconds
    if not message.login:
        kind, text = "rm-clearchat", "Chat has been cleared by a moderator."
    elif seconds is None:
        kind, text = "rm-permaban", f"{message.login} has been permanently banned."
    else:
        kind, text = "rm-timeout", f"{message.login} has been timed out for {duration(seconds)}."
    return f"@msg-id={kind} :tmi.twitch.tv NOTICE #{message.channel_login} :{text}"


def duration(seconds: int) -> str:
    """Write a duration as `1day 2h 3m 4s`; what is zero is left out."""
    parts = []
    for size, unit in _UNITS:
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number}{unit}{'s' if unit == 'day' and number > 1 else ''}")
    return " ".join(parts) or "0s"


def _marked(line: str, received_ms: int, *, gone: bool) -> str:
    """Put our tags after those of the line; a line that was itself given by such a service has them already."""
    own, _, rest = line[1:].partition(" ") if line.startswith("@") else ("", "", line)
    kept = [pair for pair in own.split(";") if pair and pair.partition("=")[0] not in tags.OF_RECENT_MESSAGES]
    ours = ["historical=1", f"rm-received-ts={received_ms}", *(["rm-deleted=1"] if gone else [])]
    return f"@{';'.join([*kept, *ours])} {rest}"
