"""A service on a real port, over tables that hold a known chat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2
import pytest
from support import lines
from support.serving import served, until_ready

from store.keys import MS_IN_DAY
from store.message import Message
from store.session import Session
from store.settings import StoreSettings
from store.store import Store


@pytest.fixture(scope="module")
def chat() -> list[Message]:
    """Two days of chat by two users, oldest first, several lines in one millisecond, with one event of each kind."""
    said = [
        lines.privmsg(
            f"line {number}" if number != 17 else "Where is the STRASSE?",
            number=number,
            sent_ms=lines.EVENING_MS + (number // 40) * MS_IN_DAY + number // 3,
            user_id=501 + number % 2,
            login=("ada_lift", "bo_nord")[number % 2],
            badges="moderator/1" if number % 10 == 0 else "subscriber/6",
        )
        for number in range(60)
    ]
    later = lines.EVENING_MS + 2 * MS_IN_DAY
    said += [
        lines.usernotice("seven months", number=901, sent_ms=later),
        lines.clearchat("ada_lift", sent_ms=later + 1),
        lines.clearchat(None, sent_ms=later + 2),
    ]
    parsed = [Message.parse(line) for line in said]
    parsed.append(
        Message.parse(lines.clearmsg(lines.message_id(3), sent_ms=later + 3), channel_id=lines.CHANNEL_ID),
    )
    return sorted(parsed, key=lambda message: message.position.order)


@pytest.fixture(scope="module")
async def client(module_store, module_writer, chat) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a service over that chat."""
    await module_writer.write(chat)
    await module_writer.flush()
    async with served(module_store.session.settings, admin_key="let-me-in") as client:
        await until_ready(client)
        yield client


@pytest.fixture
async def serving_in_sight(
    client: httpx2.AsyncClient, module_store: Store, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[httpx2.AsyncClient, Session]]:
    """A client of a service over the same chat, and the session through which that service asks Cassandra."""

    async def opened(_settings: StoreSettings) -> Store:
        return replace(module_store)

    monkeypatch.setattr(Store, "open", opened)
    monkeypatch.setattr(Store, "close", lambda _self: asyncio.sleep(0))
    async with served(module_store.session.settings, names_seconds=60, optout_seconds=60, live_seconds=0.1) as seen:
        await until_ready(seen)
        yield seen, module_store.session
