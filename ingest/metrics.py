"""What the ingest tells Prometheus: counters of lines, the spool, joins and writes, and how far behind the rows are."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ingest.pipeline import IngestCounts
from ingest.source import ChatSource
from ingest.spool import Spool
from store.message import Message
from store.writer import Written

_LAG_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600)
_WRITE_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BATCH_ROWS = (1, 2, 4, 8, 16, 32, 48, 64)


_SOURCE = {
    "connections": "Connections, or sessions, with the chat server that are open.",
    "connections_opened": "Connections that were begun, whether they came about or not.",
    "lines": "Lines, or notifications, of any kind that came in.",
    "strays": "Chat lines of channels that are not, or no longer, to be read.",
    "too_long": "Lines that were skipped for their length.",
    "joins_failed": "Joins, or subscriptions, that were refused or not answered.",
    "logins_refused": "Logins that the chat server did not take.",
    "ignored": "Lines that have no place in a log.",
    "duplicates": "Notifications that had come before.",
    "unreadable": "Notifications that stand for no line.",
    "revoked": "Subscriptions that Twitch took away.",
}


class IngestMetrics(Collector):
    """Measures writes as they happen; everything else is looked up when Prometheus asks.

    Args:
        registry: where the metrics are registered; one worker a registry.
        counts: of the pipeline.
        spool: where lines wait.
        source: where they come from.
    """

    def __init__(self, registry: CollectorRegistry, counts: IngestCounts, spool: Spool, source: ChatSource) -> None:
        self._counts = counts
        self._spool = spool
        self._source = source
        self._last_sent_ms: dict[str, int] = {}
        self._lag = Histogram(
            "logstv_ingest_lag_seconds",
            "From the time that Twitch gave a line to the acknowledgement of all its rows.",
            buckets=_LAG_SECONDS,
            registry=registry,
        )
        self._writes = Histogram(
            "logstv_ingest_write_seconds", "How long one write of some lines took.", buckets=_WRITE_SECONDS,
            registry=registry,
        )  # fmt: skip
        self._batch_rows = Histogram(
            "logstv_ingest_batch_rows", "Rows in a batch, on average of a write.", buckets=_BATCH_ROWS,
            registry=registry,
        )  # fmt: skip
        registry.register(self)

    def written(self, messages: Sequence[Message], outcome: Written, seconds: float) -> None:
        """Take note of a write that was acknowledged."""
        self._writes.observe(seconds)
        if outcome.batches:
            self._batch_rows.observe(outcome.rows / outcome.batches)
        now = time.time()
        for message in messages:
            sent_ms = message.sent_ms or 0
            self._lag.observe(max(0.0, now - sent_ms / 1000))
            login = message.channel_login or ""
            if sent_ms > self._last_sent_ms.get(login, 0):
                self._last_sent_ms[login] = sent_ms

    def collect(self) -> Iterator[Metric]:
        """Give what is looked up."""
        counts = self._counts
        yield _counter("lines_received", "Chat lines that were read.", counts.received)
        yield _counter("messages_written", "Messages whose rows are all acknowledged.", counts.written)
        yield _counter("rows_written", "Rows of message tables that are acknowledged.", counts.rows)
        yield _counter("writes_repeated", "Writes that Cassandra did not acknowledge at first.", counts.retries)
        yield _counter(
            "messages_left_out", "Messages that are not kept, by a channel's rules or an opt-out.", counts.left_out
        )
        refused = CounterMetricFamily(
            "logstv_ingest_lines_refused", "Lines without a place in a log, kept in quarantine.", labels=["reason"]
        )
        for reason, count in counts.refused.items():
            refused.add_metric([reason], count)
        yield refused
        yield _counter("lines_backfilled", "Lines that came from a recent-messages service.", counts.backfilled)
        yield _counter("gaps_unfilled", "Gaps that it did not fill, or not wholly.", counts.gaps_unfilled)
        yield _gauge("spool_lines", "Lines on disk that are not acknowledged.", self._spool.unsettled)
        yield _gauge("spool_bytes", "What they take on disk.", self._spool.bytes)
        yield _gauge("spool_alarm", "1 while something is wrong with the spool.", bool(self._spool.alarm))
        channels = self._source.channels
        yield _gauge("channels_wanted", "Channels that this worker is to read.", len(channels))
        yield _gauge("channels_joined", "Channels that it reads.", sum(state.joined for state in channels))
        yield _gauge("channels_failed", "Channels that cannot be read.", sum(bool(state.failure) for state in channels))
        for name, value in self._source.figures.items():
            make = _gauge if name == "connections" else _counter
            yield make(f"source_{name}", _SOURCE[name], value)
        last = GaugeMetricFamily(
            "logstv_ingest_channel_last_line_seconds", "When the last line of a channel was said.", labels=["channel"]
        )
        for state in channels:
            if sent_ms := self._last_sent_ms.get(state.login):
                last.add_metric([state.login], sent_ms / 1000)
        yield last


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"logstv_ingest_{name}", text, value=value)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"logstv_ingest_{name}", text, value=value)
