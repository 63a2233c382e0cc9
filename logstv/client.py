"""A client of the API: walks a log by its cursors, page after page, and waits where the service asks it to.

    from logstv.client import Client

    with Client("http://127.0.0.1:8025") as logstv:
        for message in logstv.messages(channel="moonbase", user="ada_lift", q="rocket"):
            print(message["timestamp"], message["text"])

Needs the extra `client` (`pip install logstv[client]`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, NotRequired, Self, TypedDict, cast
from urllib.parse import quote

import httpx2

_PAGE = 1000
_TRIES = 5
_LONGEST_WAIT_SECONDS = 60.0


class ApiError(Exception):
    """The service refused, or could not answer even when asked again.

    Attributes:
        status: of the answer.
        code: the problem's stable name; empty where there was none.
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.code = code


class ChannelName(TypedDict):
    """A channel."""

    id: str
    login: str


class UserName(TypedDict):
    """Who wrote a message, or whom an event hit."""

    id: str
    login: str
    displayName: str


class Deleted(TypedDict):
    """How a message was removed."""

    by: str
    at: str


class Message(TypedDict):
    """A line of chat as /v1 gives it; docs/api.md says what each field holds."""

    sent: str
    id: str
    type: str
    timestamp: str
    channel: ChannelName
    user: UserName
    text: str
    systemText: str
    tags: dict[str, str]
    raw: str
    action: NotRequired[bool]
    deleted: NotRequired[Deleted]
    source: NotRequired[dict[str, str]]
    reply: NotRequired[dict[str, Any]]


class Client:
    """Asks a service; for a program without asyncio.

    Args:
        base_url: of the service.
        api_key: the admin's, where the service asks for it.
        http: another client to ask with, as for a proxy; it stays open.
    """

    def __init__(self, base_url: str, *, api_key: str = "", http: httpx2.Client | None = None) -> None:
        self._base, self._headers = base_url.rstrip("/"), _headers(api_key)
        self._http = http or httpx2.Client(timeout=30)
        self._own = http is None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._own:
            self._http.close()

    def messages(self, *, channel: str | None = None, user: str | None = None, **asked: object) -> Iterator[Message]:
        """Yield the messages of a log, however many there are; new ones that come meanwhile are not waited for.

        Args:
            channel: a login, or `id:` and a number.
            user: likewise; with a channel, the user's log there, without one, everywhere.
            asked: the parameters of a log, such as `q`, `order`, `type`; `from_` for `from`.

        Raises:
            ApiError: the service refused, or could not answer.
        """
        address, params = self._base + log_path(channel, user), log_params(asked)
        cursor: str | None = None
        while True:
            page = self._page(address, _with(params, cursor))
            yield from cast("list[Message]", page["messages"])
            cursor = page["page"]["next"]
            if cursor is None:
                return

    def _page(self, address: str, params: dict[str, str]) -> dict[str, Any]:
        for attempt in range(1, _TRIES + 1):
            answer = self._http.get(address, params=params, headers=self._headers)
            wait = _wait(answer, attempt)
            if wait is None:
                break
            time.sleep(wait)
        return _checked(answer)


class AsyncClient:
    """Asks a service; for a program with asyncio. Arguments as of `Client`."""

    def __init__(self, base_url: str, *, api_key: str = "", http: httpx2.AsyncClient | None = None) -> None:
        self._base, self._headers = base_url.rstrip("/"), _headers(api_key)
        self._http = http or httpx2.AsyncClient(timeout=30)
        self._own = http is None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._own:
            await self._http.aclose()

    async def messages(
        self, *, channel: str | None = None, user: str | None = None, **asked: object
    ) -> AsyncIterator[Message]:
        """Yield the messages of a log; see `Client.messages`."""
        address, params = self._base + log_path(channel, user), log_params(asked)
        cursor: str | None = None
        while True:
            page = await self._page(address, _with(params, cursor))
            for message in cast("list[Message]", page["messages"]):
                yield message
            cursor = page["page"]["next"]
            if cursor is None:
                return

    async def _page(self, address: str, params: dict[str, str]) -> dict[str, Any]:
        for attempt in range(1, _TRIES + 1):
            answer = await self._http.get(address, params=params, headers=self._headers)
            wait = _wait(answer, attempt)
            if wait is None:
                break
            await _pause(wait)
        return _checked(answer)


def log_path(channel: str | None, user: str | None) -> str:
    """Give the path of a log.

    Raises:
        ValueError: neither a channel nor a user is named.
    """
    if channel is None and user is None:
        raise ValueError("name a channel, a user, or both")
    parts = ["v1"]
    parts += ["channels", channel] if channel is not None else []
    parts += ["users", user] if user is not None else []
    return "/" + "/".join(quote(part, safe=":") for part in [*parts, "messages"])


def log_params(asked: dict[str, object]) -> dict[str, str]:
    """Give the parameters of a log as they are sent."""
    params = {name.rstrip("_"): str(value) for name, value in asked.items() if value is not None}
    return {"limit": str(_PAGE)} | params | {"format": "json"}


def _headers(api_key: str) -> dict[str, str]:
    return {"x-api-key": api_key} if api_key else {}


def _with(params: dict[str, str], cursor: str | None) -> dict[str, str]:
    return params if cursor is None else {**params, "cursor": cursor}


def _wait(answer: httpx2.Response, attempt: int) -> float | None:
    """Give how long to wait before asking again, in seconds; None: not at all."""
    if answer.status_code not in (429, 503) or attempt == _TRIES:
        return None
    after = answer.headers.get("retry-after", "")
    return min(float(after) if after.isdigit() else 2.0**attempt, _LONGEST_WAIT_SECONDS)


async def _pause(seconds: float) -> None:
    await asyncio.sleep(seconds)


def _checked(answer: httpx2.Response) -> dict[str, Any]:
    if answer.is_success:
        return cast("dict[str, Any]", answer.json())
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    raise ApiError(answer.status_code, problem.get("code", ""), problem.get("detail", answer.text[:200]))
