"""What routes are handed: the open store, the names, the settings.

All of it is `async def`, though nothing waits: FastAPI sends other dependencies through a pool of threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry

from app.errors import BadRequest
from app.flights import Flights
from app.live import Live
from app.names import Names
from app.settings import AppSettings
from store.errors import StoreUnavailable
from store.opted_out import NOBODY, OptedOut
from store.store import Store

HEAD = "logstv.head"
"""In the scope of a request that asks for no body; everything else sees it as GET."""


class Shared:
    """What all requests share, made once when the service starts.

    Attributes:
        settings: the service's.
        names: remembers which ids it found.
        reads: pages that are being read, for all who ask for the same.
        live: the live streams.
        store: open once Cassandra was reached; None before.
        trouble: why it is not open yet.
        registry: where the metrics are registered.
    """

    def __init__(self, settings: AppSettings, registry: CollectorRegistry) -> None:
        self.settings = settings
        self.registry = registry
        self.names = Names(settings.names_seconds, self.who_is_out)
        self.reads = Flights()
        self.live = Live(
            self.open_store,
            pause_seconds=settings.live_seconds,
            most_listeners=settings.live_listeners,
            who_is_out=self.who_is_out,
        )
        self.store: Store | None = None
        self.trouble = "the service has just started"

    def who_is_out(self) -> OptedOut:
        """Give who has opted out; nobody can be asked for before the store is open."""
        return NOBODY if self.store is None else self.store.optouts.current

    def requests(self) -> Mapping[str, int]:
        """Give how many requests were sent to Cassandra, by table."""
        return {} if self.store is None else self.store.session.requests

    def open_store(self) -> Store:
        """Give the store.

        Raises:
            StoreUnavailable: Cassandra was not reached yet.
        """
        if self.store is None:
            raise StoreUnavailable(self.trouble)
        return self.store


async def shared(request: Request) -> Shared:
    """Give what all requests share."""
    found = request.app.state.shared
    assert isinstance(found, Shared)
    return found


def is_head(request: Request) -> bool:
    """Say whether no body is asked for."""
    return HEAD in request.scope


async def only_documented(request: Request) -> None:
    """Refuse a query parameter that the route's documentation does not know, and one that is given twice.

    A misspelt `form=` that is ignored gives an answer to another question.

    Raises:
        BadRequest: it says which, and what there is.
    """
    given = [name for name, _ in request.query_params.multi_items()]
    if not given:
        return
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    documented = request.app.openapi()["paths"][route.path_format][request.method.lower()].get("parameters", [])
    known = [parameter["name"] for parameter in documented if parameter["in"] == "query"]
    for name in given:
        if name not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            raise BadRequest(f"there is no parameter {name[:60]!r} here: {takes}")
        if given.count(name) > 1:
            raise BadRequest(f"{name} is given more than once: give it once")


OnlyDocumented = Depends(only_documented)
SharedDependency = Annotated[Shared, Depends(shared)]
