"""What the service tells Prometheus of itself: how its requests were answered, and what it asked Cassandra for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECONDS = (0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class RequestMetrics:
    """Counts requests by route and status; a path that is no route counts as `other`.

    Args:
        app: what answers.
        registry: where the metrics are registered; one application a registry.
    """

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        self._requests = Counter(
            "logstv_http_requests", "Requests that were answered.", ["route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "logstv_http_request_seconds",
            "From a request to the begin of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and take note of how it is answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "other")
                self._requests.labels(route, message["status"]).inc()
                self._seconds.labels(route).observe(time.perf_counter() - begun)
            await send(message)

        await self._app(scope, receive, noted)


class CassandraMetrics(Collector):
    """Counts what is asked of Cassandra.

    Args:
        registry: where the metrics are registered; one application a registry.
        requests: gives how many requests were sent, by table.
    """

    def __init__(self, registry: CollectorRegistry, requests: Callable[[], Mapping[str, int]]) -> None:
        self._requests = requests
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Give what is looked up."""
        found = CounterMetricFamily(
            "logstv_cassandra_requests", "Requests that the API sent to Cassandra.", labels=["table"]
        )
        for table, count in dict(self._requests()).items():
            found.add_metric([table], count)
        yield found


class DamagedDays(Collector):
    """Counts the days of the archive that were asked for and could not be given; looked up when Prometheus asks.

    Args:
        registry: where the metric is registered; one application a registry.
        count: gives how many.
    """

    def __init__(self, registry: CollectorRegistry, count: Callable[[], int]) -> None:
        self._count = count
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Give what is looked up."""
        text = "Looks into a day of the archive whose file is missing or damaged."
        yield CounterMetricFamily("logstv_archive_damaged", text, value=self._count())
