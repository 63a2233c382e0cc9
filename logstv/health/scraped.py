"""What a worker tells at its metrics address: also while Cassandra, which has its row, cannot be reached."""

from __future__ import annotations

import http.client
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from logstv.errors import CommandError

_SHARE = 0.99


@dataclass(frozen=True, slots=True)
class Scraped:
    """What the metrics of a worker say.

    Attributes:
        wanted: how many channels it is to read.
        joined: how many it reads.
        failed: how many it cannot join.
        connections: how many it has with the chat server.
        waiting: how many lines wait in its spool.
        waiting_bytes: what those take on disk.
        alarm: whether something is wrong with its spool.
        lag_seconds: what the lag of 99 % of its messages since its start is at most; None: it is longer than measured.
    """

    wanted: int
    joined: int
    failed: int
    connections: int
    waiting: int
    waiting_bytes: int
    alarm: bool
    lag_seconds: float | None


def scrape(address: str, *, timeout: float = 2.0) -> Scraped:
    """Ask a worker for its metrics.

    Args:
        address: `host:port`, as LOGSTV_METRICS_ADDRESS has it.
        timeout: seconds.

    Raises:
        CommandError: no worker answers there.
    """
    connection = http.client.HTTPConnection(address.removeprefix(":"), timeout=timeout)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise CommandError(f"nothing answers at {address}: {error}") from error
    finally:
        connection.close()
    try:
        return _of(text)
    except (ValueError, KeyError) as error:
        raise CommandError(f"what answers at {address} is no worker's metrics") from error


def _of(text: str) -> Scraped:
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    plain = {sample.name.removeprefix("logstv_ingest_"): sample.value for sample in samples if not sample.labels}
    buckets = [
        (float(sample.labels["le"]), sample.value)
        for sample in samples
        if sample.name == "logstv_ingest_lag_seconds_bucket"
    ]
    reached = [bound for bound, count in buckets if count >= _SHARE * plain["lag_seconds_count"]]
    lag = min(reached, default=float("inf"))
    return Scraped(
        wanted=int(plain["channels_wanted"]),
        joined=int(plain["channels_joined"]),
        failed=int(plain["channels_failed"]),
        connections=int(plain["source_connections"]),
        waiting=int(plain["spool_lines"]),
        waiting_bytes=int(plain["spool_bytes"]),
        alarm=bool(plain["spool_alarm"]),
        lag_seconds=None if lag == float("inf") else lag,
    )
