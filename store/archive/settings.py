"""The settings of the archive, from the environment."""

from __future__ import annotations

from typing import Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_SCHEMES = ("file:///", "memory:", "s3://", "gs://", "az://")


class ArchiveSettings(BaseSettings):
    """Where closed days are kept, and when a day is closed."""

    model_config = SettingsConfigDict(env_prefix="LOGSTV_", frozen=True, extra="ignore")

    archive_url: str = Field(
        default="",
        description="Where closed days are kept: file:///folder, s3://bucket/prefix, or another object store. "
        "Empty: with the local node the folder `archive` in LOGSTV_DATA_DIR, with a cluster nowhere.",
    )
    archive_export: bool = Field(default=True, description="Whether closed days are exported by `up` and `ingest`.")
    archive_grace_hours: float = Field(
        default=6.0, ge=1, le=240, description="Hours after its end at which a UTC day is closed and is exported."
    )
    archive_every_minutes: float = Field(
        default=10.0, gt=0, le=1440, description="Minutes between two looks for days to be exported."
    )
    archive_days: int = Field(
        default=0,
        ge=0,
        le=36_500,
        description="Days for which the archive keeps a day of a channel of which nothing else is said; 0: for ever.",
    )
    archive_s3_endpoint: str = Field(
        default="", description="The address of what speaks S3, https:// or http://; empty: Amazon's."
    )
    archive_s3_region: str = Field(default="us-east-1", description="The region of the bucket.")
    archive_s3_access_key_id: str = Field(
        default="", description="The key to the bucket; empty: what the environment or the machine's role gives."
    )
    archive_s3_secret_access_key: SecretStr = Field(default=SecretStr(""), description="The secret of that key.")
    archive_s3_virtual_host: bool = Field(
        default=False, description="Whether the endpoint's host names the bucket; else the path does."
    )
    archive_s3_conditional: bool = Field(
        default=True,
        description="Whether the store knows If-Match and If-None-Match, so that no file is replaced unseen.",
    )

    @field_validator("archive_url")
    @classmethod
    def _known(cls, value: str) -> str:
        if value and not value.startswith(_SCHEMES):
            raise ValueError(f"an archive is named by a URL that begins with {', '.join(_SCHEMES)}")
        return value

    @field_validator("archive_s3_endpoint")
    @classmethod
    def _address(cls, value: str) -> str:
        if value and not value.startswith(("https://", "http://")):
            raise ValueError("an endpoint of S3 is an address that begins with https:// or http://")
        return value

    def s3(self) -> dict[str, Any]:
        """Give what the client of S3 is told."""
        told: dict[str, Any] = {
            "region": self.archive_s3_region,
            "virtual_hosted_style_request": self.archive_s3_virtual_host,
        }
        if self.archive_s3_endpoint:
            told["endpoint"] = self.archive_s3_endpoint
            if self.archive_s3_endpoint.startswith("http://"):
                told["client_options"] = {"allow_http": True}
        if self.archive_s3_access_key_id:
            told["access_key_id"] = self.archive_s3_access_key_id
            told["secret_access_key"] = self.archive_s3_secret_access_key.get_secret_value()
        return told
