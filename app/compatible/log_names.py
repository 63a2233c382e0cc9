"""Which log a compatible path names: `channel` or `channelid`, and `user` or `userid`, each with a name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Path
from starlette.convertors import Convertor, register_url_convertor

from app.dependencies import Shared, SharedDependency
from app.errors import BadRequest
from store.shapes import CHANNEL, CHANNEL_USER, Key, Shape


class ChannelBy(StrEnum):
    """How a channel is named."""

    LOGIN = "channel"
    ID = "channelid"


class UserBy(StrEnum):
    """How a user is named."""

    LOGIN = "user"
    ID = "userid"


class _Word(Convertor[str]):
    """A part of a path that is one of a few words, in any case."""

    def convert(self, value: str) -> str:
        return value.lower()

    def to_string(self, value: str) -> str:
        return value


class _ChannelWord(_Word):
    regex = f"(?i:{'|'.join(ChannelBy)})"


class _UserWord(_Word):
    regex = f"(?i:{'|'.join(UserBy)})"


# Starlette keeps the kinds of path parts for the whole process; a path then tells /channel/x from /v1/channels.
register_url_convertor("channel_by", _ChannelWord())
register_url_convertor("user_by", _UserWord())

OF_CHANNEL = "/{channel_by:channel_by}/{channel}"
OF_USER = OF_CHANNEL + "/{user_by:user_by}/{user}"

ChannelByPath = Annotated[ChannelBy, Path(description="Whether a login or an id follows.", examples=["channel"])]
ChannelPath = Annotated[
    str, Path(description="The channel's login, in any case, or Twitch's number.", examples=["moonbase"])
]
UserByPath = Annotated[UserBy, Path(description="Whether a login or an id follows.", examples=["user"])]
UserPath = Annotated[str, Path(description="The user's login, in any case, or Twitch's number.", examples=["ada_lift"])]


@dataclass(frozen=True, slots=True)
class LogName:
    """The log that a path names.

    Attributes:
        shape: which kind of log.
        key: whose.
        path: the part of the path that names it, escaped.
    """

    shape: Shape
    key: Key
    path: str


async def channel_id(shared: Shared, by: ChannelBy, name: str) -> int:
    """Give the id of a channel that has a log.

    Raises:
        BadRequest: it is no name.
        HasOptedOut: it has.
        NotFound: no such channel has a log here.
    """
    return await shared.names.channel(shared.open_store().directory, _name(name, is_id=by is ChannelBy.ID))


async def channel_and_user_id(
    shared: Shared, channel_by: ChannelBy, channel: str, user_by: UserBy, user: str
) -> tuple[int, int]:
    """Give the ids of a channel that has a log and of a user, whose id is taken as it is.

    Raises:
        BadRequest: one is no name.
        HasOptedOut: one has.
        NotFound: no such channel has a log here, or nobody was seen under that login.
    """
    return await shared.names.both(
        shared.open_store().directory,
        _name(channel, is_id=channel_by is ChannelBy.ID),
        _name(user, is_id=user_by is UserBy.ID),
    )


async def _channel_log(shared: SharedDependency, channel_by: ChannelByPath, channel: ChannelPath) -> LogName:
    key = (await channel_id(shared, channel_by, channel),)
    return LogName(CHANNEL, key, quote(f"/{channel_by}/{channel}"))


async def _user_log(
    shared: SharedDependency, channel_by: ChannelByPath, channel: ChannelPath, user_by: UserByPath, user: UserPath
) -> LogName:
    key = await channel_and_user_id(shared, channel_by, channel, user_by, user)
    return LogName(CHANNEL_USER, key, quote(f"/{channel_by}/{channel}/{user_by}/{user}"))


def _name(name: str, *, is_id: bool) -> str:
    if not is_id and ":" in name:
        raise BadRequest(
            f"{name[:60]!r} is no login: an id goes after `channelid` or `userid`, as in /channelid/71092938"
        )
    return f"id:{name}" if is_id else name


ChannelLog = Annotated[LogName, Depends(_channel_log)]
UserLog = Annotated[LogName, Depends(_user_log)]
