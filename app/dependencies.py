"""What routes are handed: the open store, the names, the settings."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from app.names import Names
from app.settings import AppSettings
from store.errors import StoreUnavailable
from store.store import Store


class Shared:
    """What all requests share, made once when the service starts.

    Attributes:
        settings: the service's.
        names: remembers which ids it found.
        store: open once Cassandra was reached; None before.
        trouble: why it is not open yet.
    """

    def __init__(self, settings: AppSettings) -> None:
        self.settings = settings
        self.names = Names(settings.names_seconds)
        self.store: Store | None = None
        self.trouble = "the service has just started"

    def open_store(self) -> Store:
        """Give the store.

        Raises:
            StoreUnavailable: Cassandra was not reached yet.
        """
        if self.store is None:
            raise StoreUnavailable(self.trouble)
        return self.store


def shared(request: Request) -> Shared:
    """Give what all requests share."""
    found = request.app.state.shared
    assert isinstance(found, Shared)
    return found


SharedDependency = Annotated[Shared, Depends(shared)]
