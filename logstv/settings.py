"""The settings of the command and of the local node, from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.settings import AppSettings
from ingest.settings import IngestSettings
from store.settings import StoreSettings


def store_settings() -> StoreSettings:
    """Give the store's settings; with the local node, the archive is a folder beside it unless another is set."""
    settings = StoreSettings()
    if settings.archive_url or settings.contact_points:
        return settings
    return settings.model_copy(update={"archive_url": (NodeSettings().data_dir / "archive").as_uri()})


def sentences(error: ValidationError) -> list[str]:
    """Say which settings make no sense, each under the name it has in the environment."""
    return [
        f"LOGSTV_{'_'.join(str(part) for part in each['loc']).upper()}={each['input']!s}: "
        + each["msg"].removeprefix("Value error, ")
        for each in error.errors()
    ]


class NodeSettings(BaseSettings):
    """Where the local node lives and what it may take."""

    model_config = SettingsConfigDict(env_prefix="LOGSTV_", frozen=True, extra="ignore")

    data_dir: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("logstv")),
        description="The folder for all that logstv keeps; the node is in `cassandra` in it.",
    )
    cache_dir: Path = Field(
        default_factory=lambda: Path(platformdirs.user_cache_dir("logstv")),
        description="The folder for what can be fetched again: Cassandra's jars.",
    )
    maven_url: str = Field(
        default="", description="The Maven repository that Cassandra's jars are fetched from; empty: Maven Central."
    )
    java: str = Field(default="", description="The java to run the node on, or its JAVA_HOME; empty: one is found.")
    node_address: str = Field(default="127.0.0.1", description="The address on which the local node listens.")
    node_heap: str = Field(default="512M", description="The heap of the local node, as in 512M or 2G.")
    node_storage_port: int = Field(default=7000, ge=1, le=65535, description="The port on which nodes speak to nodes.")
    node_jmx_port: int = Field(default=7199, ge=1, le=65535, description="The local port that nodetool speaks to.")
    cql_port: int = Field(default=9042, ge=1, le=65535, description="The port on which the cluster speaks CQL.")

    node_commitlog_sync: Literal["periodic", "group"] = Field(
        default="periodic",
        description="When the local node acknowledges a write: `periodic`, at once, which loses the last 0.1 s when "
        "Cassandra is killed and the last second when the machine goes down; `group`, when it is on disk, 10 ms later.",
    )
    node_min_free: int = Field(
        default=1024, ge=0, description="The MiB of free disk without which the local node is not started."
    )
    node_start_timeout: float = Field(
        default=120.0, gt=0, le=3600, description="Seconds the local node may take to answer."
    )
    node_stop_timeout: float = Field(
        default=60.0, gt=0, le=3600, description="Seconds the local node may take to drain before it is killed."
    )

    @field_validator("data_dir", "cache_dir")
    @classmethod
    def _whole(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("node_heap")
    @classmethod
    def _heap(cls, value: str) -> str:
        number, unit = value[:-1], value[-1:].upper()
        if not number.isdecimal() or unit not in ("M", "G") or int(number) * (1024 if unit == "G" else 1) < 256:
            raise ValueError("the heap of a node is a number and M or G, at least 256M")
        return value.upper()

    @property
    def node_dir(self) -> Path:
        """The folder of the local node."""
        return self.data_dir / "cassandra"


ROOMS: tuple[type[BaseSettings], ...] = (StoreSettings, NodeSettings, IngestSettings, AppSettings)
"""The settings of all rooms."""
