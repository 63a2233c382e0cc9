from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from ingest import worker
from logstv.exporting import export_closed_days
from store.schema import apply


async def test_exporting_begins_once_the_tables_are_there(store, tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "_CONNECT_PAUSE_SECONDS", 0.05)
    settings = store.session.settings.model_copy(update={"archive_url": (tmp_path / "archive").as_uri()})
    await store.session.execute(f"DROP TABLE {store.session.table('archive_failures')}")
    registry = CollectorRegistry()
    try:
        with capture_logs() as said:
            exporting = asyncio.create_task(export_closed_days(settings, registry))
            while not said:
                assert not exporting.done()
                await asyncio.sleep(0.01)
        assert {each["event"] for each in said} == {"store.unavailable"}
    finally:
        await asyncio.to_thread(apply, settings)
    while registry.get_sample_value("logstv_archive_days_due") is None:
        assert not exporting.done()
        await asyncio.sleep(0.01)
    exporting.cancel()
    await asyncio.gather(exporting, return_exceptions=True)


async def test_an_archive_that_cannot_be_named_is_said_and_not_waited_for(store_settings):
    settings = store_settings.model_copy(update={"archive_url": "nowhere://at-all"})
    with capture_logs() as said:
        await export_closed_days(settings, CollectorRegistry())
    assert [each["event"] for each in said] == ["archive.failed"]
