"""The shapes of the answers, for OpenAPI and for those who check answers against it; `app.render` writes them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

_LINE = (
    "@badge-info=;badges=moderator/1;color=#1E90FF;display-name=Ada_Lift;emotes=;flags=;"
    "id=5eed0000-0000-4001-8000-000000001eef;mod=1;room-id=71092938;subscriber=0;tmi-sent-ts=1764015300123;turbo=0;"
    "user-id=501;user-type=mod :ada_lift!ada_lift@ada_lift.tmi.twitch.tv PRIVMSG #moonbase :good evening"
)
_MESSAGE: dict[str, JsonValue] = {
    "sent": "5fc9f4b0-c971-11f0-8000-000000001eef",
    "id": "5eed0000-0000-4001-8000-000000001eef",
    "type": "privmsg",
    "timestamp": "2025-11-24T20:15:00.123Z",
    "channel": {"id": "71092938", "login": "moonbase"},
    "user": {"id": "501", "login": "ada_lift", "displayName": "Ada_Lift"},
    "text": "good evening",
    "systemText": "",
    "tags": {"badges": "moderator/1", "color": "#1E90FF", "display-name": "Ada_Lift"},
    "raw": _LINE,
}


class ChannelName(BaseModel):
    """A channel: Twitch's id, and its login when the line was sent."""

    id: str
    login: str


class UserName(BaseModel):
    """Who wrote a line, or whom it hit; empty where it is about nobody."""

    id: str
    login: str
    displayName: str  # noqa: N815 - as in the JSON


class Source(BaseModel):
    """Where a line of a shared chat was said."""

    channelId: str  # noqa: N815
    id: str = Field(description="The id of the line there.")


class Reply(BaseModel):
    """What a line answers."""

    id: str = Field(description="The id of the line that is answered.")
    threadId: str = Field(description="The id of the line with which the thread begins.")  # noqa: N815
    user: UserName
    text: str = Field(description="What was answered.")


class Deleted(BaseModel):
    """How a line was removed from the chat."""

    by: Literal["clearmsg", "ban", "timeout", "clear"]
    at: str


class MessageBody(BaseModel):
    """A line of chat."""

    model_config = ConfigDict(json_schema_extra={"examples": [_MESSAGE]}, extra="forbid")

    sent: str = Field(description="Its key: a timeuuid.")
    id: str = Field(description="Its own id on Twitch; empty if it has none.")
    type: Literal["privmsg", "usernotice", "clearchat", "clearmsg"]
    timestamp: str = Field(description="When Twitch received it, RFC 3339, UTC, milliseconds.")
    timestampSource: Literal["received"] | None = Field(  # noqa: N815
        default=None, description="`received` where the line has no time and ours of reading it is shown."
    )
    channel: ChannelName
    user: UserName
    text: str = Field(description="What was said; without the wrapper of a /me.")
    action: bool | None = Field(default=None, description="true where it was said with /me.")
    systemText: str = Field(description="What an event says: a ban, a subscription.")  # noqa: N815
    tags: dict[str, str] = Field(description="Every tag, unescaped.")
    raw: str = Field(description="The line as Twitch sent it.")
    source: Source | None = Field(default=None, description="Of a line of a shared chat: where it was said.")
    reply: Reply | None = Field(default=None, description="Of a reply: what it answers.")
    deleted: Deleted | None = Field(default=None, description="Of a line that a moderator removed later: how.")


class PageCursors(BaseModel):
    """Where to go on."""

    next: str | None = Field(description="The cursor of the page after this one; null if nothing follows now.")
    previous: str | None = Field(description="The cursor of the page before this one; null if nothing goes before.")


class Gap(BaseModel):
    """A time in which the channel is known not to have been read."""

    model_config = ConfigDict(populate_by_name=True)

    from_: str = Field(alias="from")
    to: str


class PageBody(BaseModel):
    """A page of a log."""

    messages: list[MessageBody]
    page: PageCursors
    gaps: list[Gap]


class Counted(BaseModel):
    """How many lines of each kind."""

    privmsg: int
    usernotice: int
    clearchat: int
    clearmsg: int


class Period(BaseModel):
    """A day or an hour of UTC in which there were lines."""

    start: str
    total: int
    types: Counted


class Chatter(BaseModel):
    """Who said how much."""

    user: ChannelName
    messages: int


class ModerationEvent(BaseModel):
    """Something a moderator did to a user."""

    model_config = ConfigDict(extra="forbid")

    sent: str = Field(description="Its key: the `sent` of the event's line in the channel's log.")
    type: Literal["ban", "timeout", "clearmsg"]
    timestamp: str
    login: str = Field(description="The user's login then.")
    seconds: int | None = Field(default=None, description="Of a time-out.")
    messageId: str | None = Field(default=None, description="Of a removed line: its id.")  # noqa: N815


class ModerationBody(BaseModel):
    """What was done to a user in a channel, newest first."""

    moderation: list[ModerationEvent]
    more: bool = Field(description="Whether there may be older ones: ask again with `to`.")


class UserStatsBody(BaseModel):
    """What was counted in a range of a log."""

    model_config = ConfigDict(populate_by_name=True, extra="forbid")

    from_: str = Field(alias="from")
    to: str
    complete: bool = Field(description="Whether the whole range was counted within the time there is.")
    through: str = Field(description="Up to where it was counted, exclusive: `to` where it is complete.")
    total: int
    types: Counted
    periods: list[Period] = Field(description="Oldest first, without those in which there was nothing.")


class ChannelStatsBody(UserStatsBody):
    """What was counted in a range of a channel's log."""

    chatters: int = Field(description="How many users said something.")
    top: list[Chatter] = Field(description="Those who said most.")


class ChannelBody(BaseModel):
    """A channel that has a log."""

    id: str
    login: str
    firstDay: str | None = Field(description="The UTC day of its first line.", examples=["2026-03-01"])  # noqa: N815
    lastDay: str | None = Field(description="The UTC day of its last line.", examples=["2026-11-24"])  # noqa: N815
    lastLine: str | None = Field(description="When its last line was sent.")  # noqa: N815
    reading: bool = Field(description="Whether a worker reads it now.")


class ChannelsBody(BaseModel):
    """The channels."""

    channels: list[ChannelBody]


class DaysBody(BaseModel):
    """The days of a log, newest first."""

    days: list[str] = Field(examples=[["2026-11-24", "2026-11-23"]])


class MonthsBody(BaseModel):
    """The months of a log, newest first."""

    months: list[str] = Field(examples=[["2026-11", "2026-10"]])


class NameBody(BaseModel):
    """An id and a login that were seen together."""

    id: str
    login: str
    firstSeen: str | None  # noqa: N815
    lastSeen: str | None  # noqa: N815


class NamesBody(BaseModel):
    """Names, the one seen last first."""

    names: list[NameBody]


class HealthBody(BaseModel):
    """How the service is."""

    status: str
