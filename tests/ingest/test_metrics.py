from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from support import lines

from app.service import create_app
from app.settings import AppSettings
from ingest.eventsub_state import EventSubCounts
from ingest.irc_state import ChannelState, IrcCounts
from ingest.metrics import IngestMetrics
from ingest.pipeline import IngestCounts
from logstv.exporting import ArchiveMetrics
from store.archive.archive import Lag
from store.archive.outcomes import ExportCounts
from store.message import Message
from store.settings import StoreSettings
from store.writer import Written

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.fixture
def watched():
    """Metrics of a worker that has seen something of everything."""
    registry, counts = CollectorRegistry(), IngestCounts(received=9, written=7, rows=21, retries=1)
    counts.refused["it has no time"] = 2
    state = ChannelState(lines.CHANNEL, lines.CHANNEL_ID)
    source = SimpleNamespace(channels=[state], figures=IrcCounts(connections=1).figures | EventSubCounts().figures)
    spool = SimpleNamespace(unsettled=3, bytes=400, alarm="the spool is 60 % full")
    metrics = IngestMetrics(registry, counts, spool, source)
    metrics.written([Message.parse(lines.privmsg("hello"))], Written(messages=1, rows=3, batches=1), 0.004)
    return registry


def test_figures_are_looked_up_and_writes_are_measured(watched):
    for name, labels, value in (
        ("lines_received_total", {}, 9),
        ("lines_refused_total", {"reason": "it has no time"}, 2),
        ("spool_lines", {}, 3),
        ("spool_alarm", {}, 1),
        ("channels_wanted", {}, 1),
        ("write_seconds_bucket", {"le": "0.005"}, 1),
        ("batch_rows_bucket", {"le": "4.0"}, 1),
        ("lag_seconds_count", {}, 1),
        ("channel_last_line_seconds", {"channel": lines.CHANNEL}, lines.EVENING_MS / 1000),
    ):
        assert watched.get_sample_value(f"logstv_ingest_{name}", labels) == value, name
    assert b"logstv_ingest_lag_seconds" in generate_latest(watched)


def test_every_metric_is_in_the_operators_guide_and_the_guide_names_no_other(watched):
    create_app(StoreSettings(), AppSettings(), watched)
    ArchiveMetrics(watched, SimpleNamespace(exporter=SimpleNamespace(counts=ExportCounts()), lag=Lag()))
    shown = {
        sample.name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum")
        for family in watched.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    } | {"logstv_http_requests_total", "logstv_http_request_seconds"}
    assert set(re.findall(r"\blogstv_(?:ingest|http|archive)_[a-z_]+", OPERATIONS.read_text())) == shown
