"""The service's settings, from the environment."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class UserLogPolicy(StrEnum):
    """Who may read the log of a user across all channels."""

    PUBLIC = "public"
    ADMIN = "admin"
    OFF = "off"


class AppSettings(BaseSettings):
    """Where the service listens, and what it allows."""

    model_config = SettingsConfigDict(env_prefix="LOGSTV_", frozen=True, extra="ignore")

    host: str = Field(default="127.0.0.1", description="The address on which the API listens.")
    port: int = Field(
        default=8025, ge=0, le=65535, description="The port on which the API listens; 0 takes a free one."
    )
    admin_key: SecretStr = Field(default=SecretStr(""), description="The X-Api-Key of the admin routes; empty: none.")
    user_log: UserLogPolicy = Field(
        default=UserLogPolicy.PUBLIC, description="Who may read a user's log across channels: public, admin or off."
    )
    search_seconds: float = Field(
        default=2.0, gt=0, le=60, description="Seconds that one page of a search may look; then it gives a cursor."
    )
    names_seconds: float = Field(
        default=10.0, ge=0, description="Seconds for which the id behind a login is remembered."
    )
    optout_seconds: float = Field(
        default=2.0, ge=0.05, le=60, description="Seconds between two looks at who has opted out."
    )
    rate_limit: int = Field(
        default=0, ge=0, description="Requests that one client address may make in a minute; 0: no limit."
    )
    trusted_hops: int = Field(
        default=0,
        ge=0,
        le=10,
        description="Proxies in front whose X-Forwarded-For says the client's address; 0: who connects is the client.",
    )
    stats_seconds: float = Field(
        default=5.0, gt=0, le=60, description="Seconds that statistics may count; then they say how far they came."
    )
    live_seconds: float = Field(
        default=1.0, ge=0.05, le=60, description="Seconds between two looks at a channel that is listened to live."
    )
    live_listeners: int = Field(default=1000, ge=0, description="Live streams at the same time, of all channels.")
