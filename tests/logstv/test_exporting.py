from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry

from ingest import worker
from logstv.exporting import export_closed_days
from store.archive.archive import Archive
from store.errors import StoreUnavailable


async def test_a_cluster_that_fails_while_the_archive_is_opened_is_asked_again(store, tmp_path, monkeypatch):
    open_it, tries = Archive.open, []

    async def failing_once(*asked, **more):
        tries.append(asked)
        if len(tries) == 1:
            raise StoreUnavailable("too few nodes are up")
        return await open_it(*asked, **more)

    monkeypatch.setattr(Archive, "open", failing_once)
    monkeypatch.setattr(worker, "_CONNECT_PAUSE_SECONDS", 0.01)
    registry = CollectorRegistry()
    settings = store.session.settings.model_copy(update={"archive_url": (tmp_path / "archive").as_uri()})
    exporting = asyncio.create_task(export_closed_days(settings, registry))
    while registry.get_sample_value("logstv_archive_alarm") is None:
        assert not exporting.done()
        await asyncio.sleep(0.01)
    exporting.cancel()
    await asyncio.gather(exporting, return_exceptions=True)
