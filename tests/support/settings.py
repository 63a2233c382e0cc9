"""Which settings there are."""

from __future__ import annotations

from logstv.settings import ROOMS

NAMES = {f"LOGSTV_{name.upper()}" for room in ROOMS for name in room.model_fields}
