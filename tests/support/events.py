"""Listening to Server-Sent Events in tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import httpx2

from support.chat import until


class Heard:
    """What a listener heard.

    Attributes:
        events: the kind and the parsed data of each event.
        ids: the id after each event.
        last_id: the newest id; empty before the first.
        ended: whether the stream is at its end.
    """

    def __init__(self) -> None:
        self.events: list[tuple[str, dict]] = []
        self.ids: list[str] = []
        self.last_id = ""
        self.ended = False

    @property
    def lines(self) -> list[str]:
        return [data["raw"] for kind, data in self.events if kind == "message"]

    async def read(self, answer: httpx2.Response) -> None:
        kind, data = "message", ""
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                self.last_id = value
            elif name == "event":
                kind = value
            elif name == "data":
                data = value
            elif not line and data:
                self.events.append((kind, json.loads(data)))
                self.ids.append(self.last_id)
                kind, data = "message", ""
        self.ended = True

    async def until(self, holds: Callable[[], object]) -> None:
        await until(holds)


@asynccontextmanager
async def listening(client: httpx2.AsyncClient, route: str, **asked: object) -> AsyncIterator[Heard]:
    """Listen for as long as the block runs; enter it when the stream has begun."""
    heard = Heard()
    async with client.stream("GET", route, timeout=60, **asked) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        reading = asyncio.create_task(heard.read(answer))
        try:
            await until(lambda: heard.last_id)
            yield heard
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError, httpx2.HTTPError):
                await reading
