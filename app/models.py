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
    "sent": "40ed3eb0-c972-11f0-8000-000000001eef",
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


class CoverageBody(BaseModel):
    """When a channel was being read."""

    spans: list[Gap] = Field(description="The times in which it was being read, oldest first.")
    gaps: list[Gap] = Field(description="The times between them, oldest first.")


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


class WantedChannelBody(BaseModel):
    """A channel that is to be read."""

    name: str = Field(description="As it was added: a login, or `id:` and Twitch's number.")
    id: str | None = Field(description="Twitch's id; null until a worker has learnt it.")
    login: str | None = Field(description="Its newest login.")
    added: str = Field(description="When it was added.")
    retentionDays: int | None = Field(  # noqa: N815
        description="How long its lines are kept: days, 0 for ever, null as long as the tables say."
    )
    archiveDays: int | None = Field(  # noqa: N815
        description="How long the archive keeps its days: days, 0 for ever, null as long as the setting says."
    )
    without: list[str] = Field(description="The types of message that are not kept.", examples=[["clearchat"]])
    readers: list[str] = Field(description="The workers that read it now.")


class WantedChannelsBody(BaseModel):
    """Channels that are to be read."""

    channels: list[WantedChannelBody]


_CHANNEL_NAMES = Field(
    min_length=1, max_length=1000, description="Logins, or `id:` and Twitch's number.", examples=[["moonbase"]]
)


class RemoveChannelsBody(BaseModel):
    """Channels to read no more."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [{"channels": ["moonbase", "id:71092938"]}]}
    )

    channels: list[str] = _CHANNEL_NAMES


class AddChannelsBody(BaseModel):
    """Channels to read, and what is kept of them; what is not said stays as it is."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"channels": ["moonbase"], "retentionDays": 30, "without": ["clearchat"]}]},
    )

    channels: list[str] = _CHANNEL_NAMES
    retentionDays: int | None = Field(  # noqa: N815
        default=None, description="Days, 0 for ever, null as long as the tables say.", examples=[30]
    )
    archiveDays: int | None = Field(  # noqa: N815
        default=None, description="Days, 0 for ever, null as long as the setting says.", examples=[365]
    )
    types: list[str] | None = Field(
        default=None, description="The only types of message to keep.", examples=[["privmsg", "usernotice"]]
    )
    without: list[str] | None = Field(
        default=None, description="The types not to keep; not together with `types`.", examples=[["clearchat"]]
    )


class RemovedChannelsBody(BaseModel):
    """Channels that are read no more."""

    removed: list[str] = Field(description="Those that were read until now, by the names they were added by.")


class HealthBody(BaseModel):
    """How the service is."""

    status: str


class CompatibleLine(BaseModel):
    """A line as rustlog shows it; `jsonBasic` and `ndjson` have the first five fields."""

    text: str = Field(description="What was said; of an event, its sentence and what was said with it.")
    displayName: str  # noqa: N815
    timestamp: str = Field(examples=["2026-03-01T21:30:00.500Z"])
    id: str
    tags: dict[str, str]
    username: str | None = None
    channel: str | None = None
    raw: str | None = None
    type: Literal[1, 2, 4, 13] | None = Field(
        default=None, description="1 PRIVMSG, 2 CLEARCHAT, 4 USERNOTICE, 13 CLEARMSG."
    )
    systemText: str | None = Field(default=None, description="What an event says, as in justlog.")  # noqa: N815


class CompatibleLines(BaseModel):
    """Lines, in the order asked for."""

    messages: list[CompatibleLine]


class CompatibleChannel(BaseModel):
    """A channel, as rustlog and justlog name it."""

    name: str
    userID: str  # noqa: N815


class CompatibleChannels(BaseModel):
    """The channels."""

    channels: list[CompatibleChannel]


class CompatibleDate(BaseModel):
    """A day of a channel, or a month of a user; numbers without zeros before them."""

    year: str = Field(examples=["2026"])
    month: str = Field(examples=["3"])
    day: str | None = Field(default=None, examples=["1"])


class CompatibleAvailable(BaseModel):
    """The dates that have lines, newest first."""

    availableLogs: list[CompatibleDate]  # noqa: N815


class CompatibleName(BaseModel):
    """A login that a user was seen under, and when."""

    user_login: str
    last_timestamp: str
    first_timestamp: str


class CompatibleUserStats(BaseModel):
    """How many lines a user has."""

    userId: str  # noqa: N815
    userLogin: str | None  # noqa: N815
    messageCount: int  # noqa: N815


class CompatibleChannelStats(BaseModel):
    """How many lines a channel has, and the five users with the most."""

    messageCount: int  # noqa: N815
    topChatters: list[CompatibleUserStats]  # noqa: N815


class CompatibleRecent(BaseModel):
    """The newest lines of a channel, oldest first, as IRC."""

    messages: list[str]
    error: str | None
    error_code: str | None = Field(description="`channel_not_joined` where the channel is not being read.")


class CompatibleRecentError(BaseModel):
    """What is wrong."""

    status: int
    status_message: str
    error: str
    error_code: str
