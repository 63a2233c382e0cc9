"""Which settings there are."""

from __future__ import annotations

from app.settings import AppSettings
from ingest.settings import IngestSettings
from logstv.settings import NodeSettings
from store.settings import StoreSettings

ROOMS = (StoreSettings, NodeSettings, IngestSettings, AppSettings)
NAMES = {f"LOGSTV_{name.upper()}" for room in ROOMS for name in room.model_fields}
