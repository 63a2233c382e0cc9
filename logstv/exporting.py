"""Exports closed days to the archive beside what else a process does, and tells Prometheus how that stands."""

from __future__ import annotations

from collections.abc import Iterator

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ingest.worker import connect, patiently
from store.archive.archive import Archive
from store.errors import StoreError
from store.settings import StoreSettings

log = structlog.get_logger(__name__)


class ArchiveMetrics(Collector):
    """What is exported and what waits; looked up when Prometheus asks.

    Args:
        registry: where the metrics are registered; one archive a registry.
        archive: whose.
    """

    def __init__(self, registry: CollectorRegistry, archive: Archive) -> None:
        self._archive = archive
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Give what is looked up."""
        done, lag = self._archive.exporter.counts, self._archive.lag
        for name, text, count in (
            ("days_exported", "Days that were exported, also once more.", done.days),
            ("lines_exported", "Lines that those have.", done.lines),
            ("bytes_exported", "Bytes of their files.", done.bytes),
            ("export_seconds", "Seconds that exporting them took.", done.seconds),
            ("failures", "Days that could not be exported, each time.", done.failures),
            ("lines_renewed", "Lines that were kept for longer, lest they expire unexported.", lag.renewed),
        ):
            yield CounterMetricFamily(f"logstv_archive_{name}", text, value=count)
        for name, text, value in (
            ("days_open", "Days with lines that are not closed yet, of all channels.", lag.open),
            ("days_due", "Days that are closed and wait to be exported, also once more.", lag.due),
            ("days_missing", "Those of them that are not there at all.", lag.missing),
            ("lag_seconds", "For how long the oldest of these has been closed.", lag.seconds),
            ("alarm", "Channels with a day that should have been exported days ago.", lag.behind),
        ):
            yield GaugeMetricFamily(f"logstv_archive_{name}", text, value=value)


async def export_closed_days(settings: StoreSettings, registry: CollectorRegistry) -> None:
    """Export closed days until cancelled, if an archive is set; what goes wrong is logged and stops nothing else.

    Args:
        settings: where the cluster and the archive are.
        registry: where the metrics of that are registered.
    """
    if not settings.archive_url or not settings.archive_export:
        return
    try:
        session = await connect(settings)
        try:
            # Also while the tables are not there yet: nobody would begin anew what ends here.
            archive = await patiently(lambda: Archive.open(session, settings), passing=StoreError)
            ArchiveMetrics(registry, archive)
            await archive.follow(settings.archive_every_minutes * 60)
        finally:
            await session.close()
    except StoreError as error:
        log.error("archive.failed", reason=str(error))
