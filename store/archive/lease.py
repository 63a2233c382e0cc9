"""On which terms a day of the archive is one process's at a time.

Two who work on the same day would do no harm but for lines that came late in between.
"""

from __future__ import annotations

from store.archive.objects import Place
from store.errors import StoreUnavailable
from store.lease import Terms

# Exporters in two datacenters must see each other; what is written after a check takes its time.
A_DAY = Terms(ttl_seconds=60, spare_seconds=15.0, lost=StoreUnavailable, everywhere=True)


def name_of(place: Place) -> str:
    """Give what the lease of a day is called."""
    return f"archive {place}"
