"""The store's settings, from the environment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from store.archive.settings import ArchiveSettings

_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")


class StoreSettings(ArchiveSettings):
    """Where the cluster is and how it is spoken to; and where the archive is."""

    model_config = SettingsConfigDict(env_prefix="LOGSTV_", frozen=True, extra="ignore")

    contact_points: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Hosts of the cluster, separated by commas. Empty: the local node."
    )
    cql_port: int = Field(default=9042, ge=1, le=65535, description="The port on which the cluster speaks CQL.")
    keyspace: str = Field(default="logstv", description="The keyspace that holds the tables.")
    table_prefix: str = Field(default="", description="Put before every table's name.")
    replication: str = Field(
        default="",
        description="Replicas by datacenter, as in dc1:3 or dc1:3,dc2:2. Empty: one in the local datacenter.",
    )
    schema_dir: Path | None = Field(
        default=None, description="A folder with the CQL files to apply; empty: those that come with logstv."
    )
    local_dc: str = Field(default="datacenter1", description="The datacenter whose nodes are asked.")
    username: str = Field(default="", description="The role to log in as; empty: no authentication.")
    password: SecretStr = Field(default=SecretStr(""), description="The password of that role.")
    tls: bool = Field(default=False, description="Whether to speak TLS to the cluster.")
    tls_ca: Path | None = Field(default=None, description="The authority that signed the nodes' certificates (PEM).")
    tls_cert: Path | None = Field(default=None, description="Our certificate, where nodes ask for one (PEM).")
    tls_key: Path | None = Field(default=None, description="The key of our certificate (PEM).")
    consistency: str = Field(default="LOCAL_QUORUM", description="The consistency level of reads and writes.")
    wire_compression: bool = Field(default=True, description="Whether requests and answers are LZ4 on the wire.")
    request_timeout: float = Field(default=10.0, gt=0, le=300, description="Seconds a request may take.")

    @field_validator("contact_points", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(host.strip() for host in value.split(",") if host.strip())
        return value

    @field_validator("keyspace")
    @classmethod
    def _name(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError(
                "a keyspace is named with a-z, 0-9 and _, begins with a letter, and has at most 48 characters"
            )
        return value

    @field_validator("table_prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        if value and not re.fullmatch(r"[a-z][a-z0-9_]{0,23}", value):
            raise ValueError(
                "a table prefix is made of a-z, 0-9 and _, begins with a letter, and has at most 24 characters"
            )
        return value

    @field_validator("replication")
    @classmethod
    def _replicas(cls, value: str) -> str:
        if value and not re.fullmatch(r"[\w.-]+:[1-9]\d?(,[\w.-]+:[1-9]\d?)*", value.replace(" ", "")):
            raise ValueError("replication is datacenters with a number of replicas each, as in dc1:3 or dc1:3,dc2:2")
        return value.replace(" ", "")

    @field_validator("consistency")
    @classmethod
    def _level(cls, value: str) -> str:
        known = ("ONE", "TWO", "THREE", "QUORUM", "ALL", "LOCAL_QUORUM", "EACH_QUORUM", "LOCAL_ONE")
        if value.upper() not in known:
            raise ValueError(f"a consistency level is one of {', '.join(known)}")
        return value.upper()
