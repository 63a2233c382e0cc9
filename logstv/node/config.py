"""The local node's files: cassandra.yaml, logback.xml, and the flags of its Java."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from logstv.settings import NodeSettings

DATACENTER = "datacenter1"
"""The datacenter that SimpleSnitch puts every node in."""

# Cassandra's conf/jvm17-server.options: what its reflection and its off-heap memory need of the module system.
_EXPORTS = (
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.ref",
    "java.base/sun.nio.ch",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.rmi/sun.rmi.transport.tcp",
    "java.sql/java.sql",
)
_OPENS = (
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.module",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.util.jar",
    "java.base/sun.nio.ch",
    "jdk.management/com.sun.management.internal",
)

MODULE_FLAGS: tuple[str, ...] = (
    *(f"--add-exports={name}=ALL-UNNAMED" for name in _EXPORTS),
    *(f"--add-opens={name}=ALL-UNNAMED" for name in _OPENS),
)
"""What the server and nodetool both need."""

# A comma in the date's pattern would split logback's options.
_LOGBACK = """<configuration>
  <appender name="FILE" class="ch.qos.logback.core.rolling.RollingFileAppender">
    <file>{log}</file>
    <rollingPolicy class="ch.qos.logback.core.rolling.FixedWindowRollingPolicy">
      <fileNamePattern>{log}.%i</fileNamePattern><minIndex>1</minIndex><maxIndex>3</maxIndex>
    </rollingPolicy>
    <triggeringPolicy class="ch.qos.logback.core.rolling.SizeBasedTriggeringPolicy">
      <maxFileSize>20MB</maxFileSize>
    </triggeringPolicy>
    <encoder><pattern>%date{{yyyy-MM-dd'T'HH:mm:ss.SSS}} %-5level %logger{{0}}: %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="FILE"/></root>
  <logger name="org.apache.cassandra.utils.StatusLogger" level="WARN"/>
</configuration>
"""

# Measured on 5.0.9 with 128 single INSERTs under way and Java killed in the end: of 20,000 acknowledged rows `periodic`
# lost 116 to 495 (it marks how far its log is good every 100 ms), `group` none, at about half the rate.
_COMMITLOG_SYNC = {
    "periodic": {"commitlog_sync": "periodic", "commitlog_sync_period": "1000ms"},
    "group": {"commitlog_sync": "group", "commitlog_sync_group_window": "10ms"},
}


@dataclass(frozen=True, slots=True)
class Ring:
    """A node's place among others.

    Attributes:
        seeds: the addresses at which others are found.
        token: where the node sits in the ring.
    """

    seeds: tuple[str, ...]
    token: int


@dataclass(frozen=True, slots=True)
class Tuning:
    """What is different about one node, on top of the settings.

    Attributes:
        yaml: settings of cassandra.yaml, which take precedence over ours.
        flags: further flags of its Java.
    """

    yaml: Mapping[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


def yaml(settings: NodeSettings, ring: Ring | None, tuning: Tuning) -> dict[str, Any]:
    """Give the node's settings, under the names of cassandra.yaml."""
    folder = settings.node_dir
    seeds = ring.seeds if ring else (settings.node_address,)
    return {
        "cluster_name": "logstv",
        "num_tokens": 1,
        **({"initial_token": str(ring.token)} if ring else {}),
        "auto_bootstrap": False,
        "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
        "endpoint_snitch": "SimpleSnitch",
        "seed_provider": [
            {
                "class_name": "org.apache.cassandra.locator.SimpleSeedProvider",
                "parameters": [{"seeds": ",".join(f"{seed}:{settings.node_storage_port}" for seed in seeds)}],
            }
        ],
        "listen_address": settings.node_address,
        "rpc_address": settings.node_address,
        "storage_port": settings.node_storage_port,
        "native_transport_port": settings.cql_port,
        "data_file_directories": [str(folder / "data")],
        "commitlog_directory": str(folder / "commitlog"),
        "hints_directory": str(folder / "hints"),
        "saved_caches_directory": str(folder / "saved_caches"),
        "cdc_raw_directory": str(folder / "cdc_raw"),
        **_COMMITLOG_SYNC[settings.node_commitlog_sync],
        "commitlog_total_space": "512MiB",
        "disk_failure_policy": "die",
        "commit_failure_policy": "die",
        "storage_compatibility_mode": "NONE",
        "sstable": {"selected_format": "bti"},
        "memtable": {"configurations": {"default": {"class_name": "TrieMemtable"}}},
        "memtable_allocation_type": "offheap_objects",
        "concurrent_compactors": 1,
        # Batches of ours hold rows of several partitions that lie on the same replicas (store/writer.py).
        "batch_size_warn_threshold": "50KiB",
        "batch_size_fail_threshold": "50KiB",
        "unlogged_batch_across_partitions_warn_threshold": 64,
        "file_cache_size": "64MiB",
        "networking_cache_size": "32MiB",
        **tuning.yaml,
    }


def write(settings: NodeSettings, ring: Ring | None, tuning: Tuning) -> None:
    """Write the node's files into its folder.

    Raises:
        OSError: they cannot be written.
    """
    conf = settings.node_dir / "conf"
    for name in ("conf", "logs", "tmp"):
        (settings.node_dir / name).mkdir(parents=True, exist_ok=True)
    # JSON is YAML too.
    (conf / "cassandra.yaml").write_text(json.dumps(yaml(settings, ring, tuning), indent=2) + "\n")
    (conf / "logback.xml").write_text(_LOGBACK.format(log=log_file(settings)))
    (conf / "logback-tools.xml").write_text('<configuration><root level="OFF"/></configuration>\n')


def log_file(settings: NodeSettings) -> Path:
    """Give the file that the node writes its log to."""
    return settings.node_dir / "logs" / "system.log"


def properties(settings: NodeSettings, logback: str) -> list[str]:
    """Give the system properties that the server and nodetool both need; `logback` is a file in `conf`."""
    conf = settings.node_dir / "conf"
    tmp = settings.node_dir / "tmp"
    return [
        f"-Dcassandra.config={(conf / 'cassandra.yaml').as_uri()}",
        f"-Dlogback.configurationFile={conf / logback}",
        f"-Dcassandra.storagedir={settings.node_dir}",
        f"-Djava.io.tmpdir={tmp}",  # native libraries are unpacked there, and /tmp may forbid to run them
        f"-Djna.tmpdir={tmp}",
    ]


def server_command(java: Path, jars: Path, settings: NodeSettings, ring: Ring | None, tuning: Tuning) -> list[str]:
    """Give the command line of the node."""
    alone = [] if ring else ["-Dcassandra.skip_wait_for_gossip_to_settle=0"]
    return [
        str(java),
        *MODULE_FLAGS,
        f"-Xms{settings.node_heap}",
        f"-Xmx{settings.node_heap}",
        "-XX:+UseG1GC",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:+AlwaysPreTouch",
        "-Djdk.attach.allowAttachSelf=true",
        "-Djava.net.preferIPv4Stack=true",
        *properties(settings, "logback.xml"),
        f"-Dcassandra.jmx.local.port={settings.node_jmx_port}",
        "-Dcassandra.ring_delay_ms=1000",
        "-Dcassandra.shutdown_announce_in_ms=0",
        *alone,
        *tuning.flags,
        "-cp",
        f"{jars}/*",
        "org.apache.cassandra.service.CassandraDaemon",
    ]
