"""The ingest's settings, from the environment."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class IngestSettings(BaseSettings):
    """What is read, and how the chat server is treated."""

    model_config = SettingsConfigDict(env_prefix="LOGSTV_", frozen=True, extra="ignore")

    irc_url: str = Field(
        default="ircs://irc.chat.twitch.tv:6697",
        description="The chat server: ircs://host:port with TLS, irc://host:port without.",
    )
    irc_ca: Path | None = Field(
        default=None, description="The authority that signed the chat server's certificate (PEM); empty: the system's."
    )
    channels: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="The logins of channels, separated by commas, that are added at the start to those that are read.",
    )
    worker: str = Field(
        default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}",
        min_length=1,
        max_length=100,
        description="What this worker is called; no two may be called the same.",
    )
    worker_heartbeat: float = Field(
        default=2.0,
        ge=0.1,
        le=60,
        description="Seconds between two signs of life, and between two looks at what is to be read.",
    )
    worker_handover: float = Field(
        default=15.0,
        ge=0,
        le=600,
        description="Seconds that a worker that ends waits at most for others to read its channels.",
    )
    erase_after: float = Field(
        default=10.0,
        ge=0,
        le=3600,
        description="Seconds after an opt-out at which what is stored is erased: all workers know of it by then.",
    )
    ingest_redundancy: int = Field(
        default=2, ge=1, le=2, description="How many workers read each channel, as far as there are so many: 1 or 2."
    )
    spool_mebibytes: int = Field(
        default=4096, ge=1, description="How much may wait on disk for Cassandra before the chat servers have to wait."
    )
    hour_buckets_from: int = Field(
        default=100_000, ge=1, description="Lines a day from which a log gets a partition an hour."
    )
    day_buckets_from: int = Field(
        default=10_000, ge=1, description="Lines a day from which a user's log gets a partition a day, not a month."
    )
    metrics_address: str = Field(
        default="", description="Where a worker of its own shows its metrics, as in 127.0.0.1:9108; empty: nowhere."
    )
    # Twitch's limits: https://dev.twitch.tv/docs/chat/irc/#rate-limits; how many channels an anonymous connection may
    # join and how quickly connections may follow each other is what recent-messages2 found out (its config.toml).
    irc_channels_per_connection: int = Field(default=90, ge=1, le=1000, description="Channels on one connection.")
    irc_joins_per_10s: int = Field(default=20, ge=1, description="Joins in ten seconds, over all connections.")
    irc_connection_pause: float = Field(default=0.55, ge=0, description="Seconds between two new connections.")
    irc_join_timeout: float = Field(default=15, gt=0, description="Seconds after which a join without answer failed.")
    irc_join_retry: float = Field(default=300, gt=0, description="Seconds until a failed join is tried again.")
    irc_silence: float = Field(
        default=60, gt=0, description="Seconds without a line after which the server is asked whether it lives."
    )
    irc_pong_timeout: float = Field(default=10, gt=0, description="Seconds that it then has to answer.")
    irc_linger: float = Field(
        default=3,
        ge=0,
        description="Seconds for which a connection that was replaced is still read: a chat's servers do not send a"
        " line to all connections at the same moment.",
    )
    irc_login_retry: float = Field(default=120, gt=0, description="Seconds until a refused login is tried again.")

    backfill_url: str = Field(
        default="",
        description="A recent-messages service that is asked for what was said while a channel was not read, with"
        " `{channel}` for the login, as in https://host/api/v2/recent-messages/{channel}; empty: none is.",
    )

    transport: Literal["irc", "eventsub"] = Field(
        default="irc", description="How channels are read: `irc`, anonymously, or `eventsub`, as an application."
    )
    eventsub_client_id: str = Field(default="", description="The id of the application registered with Twitch.")
    eventsub_client_secret: SecretStr = Field(default=SecretStr(""), description="The secret of that application.")
    eventsub_user_id: str = Field(
        default="",
        description="The id of the account that reads: it granted the application user:read:chat and user:bot.",
    )
    eventsub_conduit: str = Field(
        default="",
        description="The id of the conduit this worker reads; empty: one of the application that nobody reads, or a "
        "new one.",
    )
    eventsub_shards: int = Field(
        default=2, ge=1, le=100, description="Sessions that share a conduit's notifications; one stands in for another."
    )
    eventsub_url: str = Field(default="wss://eventsub.wss.twitch.tv/ws", description="Where sessions are opened.")
    eventsub_api_url: str = Field(default="https://api.twitch.tv/helix/", description="Twitch's API.")
    eventsub_auth_url: str = Field(default="https://id.twitch.tv/", description="Where the application logs in.")
    eventsub_keepalive: int = Field(
        default=30, ge=10, le=600, description="Seconds of silence after which Twitch says that a session lives."
    )
    eventsub_retry: float = Field(
        default=300, gt=0, description="Seconds until what Twitch refused, or revoked, is tried again."
    )
    eventsub_check: float = Field(
        default=300, gt=0, description="Seconds between two looks at what Twitch says is subscribed."
    )

    @field_validator("backfill_url")
    @classmethod
    def _template(cls, value: str) -> str:
        if value and not (value.startswith(("http://", "https://")) and "{channel}" in value):
            raise ValueError("this is no address of a service: write http:// or https://, and {channel} for the login")
        return value

    @field_validator("eventsub_user_id")
    @classmethod
    def _number(cls, value: str) -> str:
        if value and not (value.isascii() and value.isdecimal()):
            raise ValueError("this is no id of an account: ids are numbers; a login is not one")
        return value

    @property
    def redundancy(self) -> int:
        """How many workers read a channel: over EventSub one, since two would give one message two times, and rows."""
        return 1 if self.transport == "eventsub" else self.ingest_redundancy

    @field_validator("channels", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            value = [name for name in re.split(r"[,\s]+", value) if name]
        return tuple(channel_login(name) for name in value) if isinstance(value, list | tuple) else value


def channel_login(name: str) -> str:
    """Give a channel's login in its plain form: lower case, without `#` or `@`.

    Raises:
        ValueError: it is no login.
    """
    login = name.strip().lstrip("#@").lower()
    if not re.fullmatch(r"[a-z0-9_]{1,25}", login):
        raise ValueError(f"{name!r} is no channel: a login has 1 to 25 of a-z, 0-9 and _")
    return login
