"""Walking through a log page by page, as a client does."""

from __future__ import annotations

from dataclasses import replace

from store.cursor import Cursor
from store.reader import Log, Page
from store.store import Store


async def page(store: Store, log: Log, cursor: str | None, limit: int) -> Page:
    read = Cursor.decode(cursor, log.shape, log.key) if cursor else None
    return await store.reader.page(log, limit=limit, cursor=read)


async def there_and_back(store: Store, log: Log, limit: int) -> tuple[list[str], list[str]]:
    """Give the lines of a log as a walk by `next` gives them, and then by `previous` from its end."""
    pages = [await page(store, log, None, limit)]
    while pages[-1].next is not None:
        pages.append(await page(store, log, pages[-1].next, limit))
    there = [message.line for found in pages for message in found.messages]
    turned = pages[-1]
    back = list(turned.messages)
    while turned.previous is not None:
        turned = await page(store, log, turned.previous, limit)
        back = turned.messages + back
    return there, [message.line for message in back]


async def both_ways(store: Store, log: Log, limit: int) -> list[str]:
    """Give the lines of a log, oldest first, which must come out the same however it is walked."""
    upwards, back = await there_and_back(store, replace(log, newest_first=False), limit)
    downwards, forth = await there_and_back(store, replace(log, newest_first=True), limit)
    assert upwards == back == downwards[::-1] == forth[::-1]
    return upwards
