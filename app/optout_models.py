"""The shapes of the answers about opting out, for OpenAPI, and of what the admin sends."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class OptoutSayBody(BaseModel):
    """What to say with a code in a chat that is read."""

    user: str = Field(description="What a user says.", examples=["!logstv optout h7m2qk"])
    channel: str = Field(
        description="What a broadcaster says in the own channel.", examples=["!logstv optout channel h7m2qk"]
    )


class OptoutCodeBody(BaseModel):
    """A code to opt out with."""

    code: str = Field(examples=["h7m2qk"])
    expires: str = Field(description="Until when it can be said.")
    say: OptoutSayBody


class NamedOptoutsBody(BaseModel):
    """Users and channels to opt out, or in again."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [{"users": ["ada_lift"], "channels": ["id:9001"]}]}
    )

    users: list[str] = Field(default_factory=list, max_length=1000, description="Logins, or `id:` and Twitch's number.")
    channels: list[str] = Field(
        default_factory=list, max_length=1000, description="Logins, or `id:` and Twitch's number."
    )


class OptoutBody(BaseModel):
    """A user or channel that opted out."""

    kind: Literal["user", "channel"]
    id: str
    logins: list[str] = Field(description="Every login that it was seen under.")
    since: str = Field(description="When it opted out.")
    until: str | None = Field(description="When it opted in again; null while it is out.")
    way: Literal["admin", "code"] = Field(description="How it opted out.")
    erased: bool = Field(description="Whether everything that was stored is erased.")


class OptoutsBody(BaseModel):
    """Who has opted out."""

    optouts: list[OptoutBody]
