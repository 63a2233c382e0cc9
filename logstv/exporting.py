"""Exports closed days to the archive beside what else a process does."""

from __future__ import annotations

import structlog

from ingest.worker import connect
from store.archive.archive import Archive
from store.errors import StoreError
from store.settings import StoreSettings

log = structlog.get_logger(__name__)


async def export_closed_days(settings: StoreSettings) -> None:
    """Export closed days until cancelled, if an archive is set; what goes wrong is logged and stops nothing else."""
    if not settings.archive_url or not settings.archive_export:
        return
    try:
        session = await connect(settings)
        try:
            archive = await Archive.open(session, settings)
            await archive.follow(settings.archive_every_minutes * 60)
        finally:
            await session.close()
    except StoreError as error:
        log.error("archive.failed", reason=str(error))
