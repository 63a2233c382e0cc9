"""Twitch's EventSub and the few calls of its API that go with it, by hand, over real sockets."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from ingest.settings import IngestSettings
from support.chat import until
from support.lines import CHANNEL, CHANNEL_ID
from support.notifications import USER_ID, rfc3339

CLIENT_ID, SECRET = "app0", "hunter2&x y"


@dataclass(slots=True)
class Session:
    """A WebSocket session, as the server sees it."""

    id: str
    socket: web.WebSocketResponse
    path: str
    gone: bool = False

    async def send(self, kind: str, payload: dict[str, Any]) -> None:
        metadata = {"message_id": f"{kind}-{id(payload)}", "message_type": kind, "message_timestamp": rfc3339(0)}
        await self.socket.send_str(json.dumps({"metadata": metadata, "payload": payload}))

    async def notify(self, notification: dict[str, Any]) -> None:
        await self.socket.send_str(json.dumps(notification))


@dataclass(slots=True)
class Conduit:
    id: str
    shard_count: int
    shards: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By shard, the session's id and the status."""


class EventSubServer:
    """Holds what Twitch holds.

    Attributes:
        asked: method and path of every request.
        refuse: gives the status and message with which a request is refused, or None, by the request and its body.
        reconnects: whether a session can be moved.
        welcomes: whether sessions are welcomed.
        one_for_all: whether what one conduit is subscribed to no other may be.
        moved_id: the id of a session that was moved: None keeps it.
    """

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[str] = []
        self.refuse: Callable[[web.Request, Any], tuple[int, str] | None] = lambda *_: None
        self.welcomes = True
        self.reconnects = True
        self.one_for_all = False
        self.moved_id: str | None = None
        self.users = {CHANNEL: CHANNEL_ID, "demo": 9002}
        self.token = "token0"
        self.conduits: dict[str, Conduit] = {}
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.sessions: list[Session] = []
        self.page = 100
        self._numbers = itertools.count()

    def settings(self, *channels: str, **more: object) -> IngestSettings:
        """Give settings for this server, in more of a hurry than Twitch would like."""
        found: dict[str, object] = {
            "transport": "eventsub",
            "channels": channels or (CHANNEL,),
            "eventsub_client_id": CLIENT_ID,
            "eventsub_client_secret": SECRET,
            "eventsub_user_id": USER_ID,
            "eventsub_url": self.url.replace("http", "ws") + "/ws",
            "eventsub_api_url": f"{self.url}/helix/",
            "eventsub_auth_url": f"{self.url}/id/",
            "eventsub_retry": 0.2,
            "eventsub_shards": 1,
        }
        return IngestSettings(**(found | more))  # type: ignore[arg-type]

    def times(self, asked: str) -> int:
        return self.asked.count(asked)

    @property
    def subscribed(self) -> set[tuple[str, str]]:
        """The type and channel of every subscription."""
        return _what(self.subscriptions.values())

    async def session(self, number: int = 0) -> Session:
        """Wait for the how-manieth session."""
        await until(lambda: len(self.sessions) > number)
        return self.sessions[number]

    async def shard(self, number: int = 0) -> Session:
        """Wait for the session of a shard."""
        found: list[Session] = []

        def placed() -> bool:
            ids = [conduit.shards.get(str(number), ("", ""))[0] for conduit in self.conduits.values()]
            found[:] = [each for each in self.sessions if each.id in ids and not each.gone]
            return bool(found)

        await until(placed)
        return found[-1]

    async def move(self, session: Session, path: str = "/moved") -> None:
        """Ask a session to move."""
        url = self.url.replace("http", "ws") + f"{path}?from={session.id}"
        await session.send("session_reconnect", {"session": {"id": session.id, "status": "reconnecting",
                                                 "keepalive_timeout_seconds": None, "reconnect_url": url}})  # fmt: skip

    async def revoke(
        self, session: Session, kind: str, channel_id: int = CHANNEL_ID, why: str = "user_removed"
    ) -> None:
        """Take a subscription away, and say so."""
        number, found = next(
            (number, each)
            for number, each in self.subscriptions.items()
            if (each["type"], each["condition"]["broadcaster_user_id"]) == (kind, str(channel_id))
        )
        del self.subscriptions[number]
        await session.send("revocation", {"subscription": found | {"status": why}})

    def add_conduit(self, shard_count: int = 1) -> Conduit:
        conduit = Conduit(f"conduit{next(self._numbers)}", shard_count)
        self.conduits[conduit.id] = conduit
        return conduit

    def subscribe(self, conduit: Conduit, kind: str, channel_id: int, user_id: str = USER_ID) -> str:
        number = f"sub{next(self._numbers)}"
        self.subscriptions[number] = {
            "id": number, "status": "enabled", "type": kind, "version": "1", "cost": 0, "created_at": rfc3339(0),
            "condition": {"broadcaster_user_id": str(channel_id), "user_id": user_id},
            "transport": {"method": "conduit", "conduit_id": conduit.id},
        }  # fmt: skip
        return number

    @web.middleware
    async def gate(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """See who asks, and whether the test wants it refused."""
        if request.path in ("/ws", "/moved"):
            return await handler(request)
        self.asked.append(f"{request.method} {request.path}")
        text = await request.text()
        body = json.loads(text) if text else None
        if (refused := self.refuse(request, body)) is not None:
            return _refusal(*refused)
        if request.path.startswith("/helix"):
            if request.headers.get("Authorization") != f"Bearer {self.token}":
                return _refusal(401, "Invalid OAuth token")
            assert request.headers["Client-ID"] == CLIENT_ID
        return await handler(request)

    async def log_in(self, request: web.Request) -> web.Response:
        if (request.query["client_id"], request.query["client_secret"]) != (CLIENT_ID, SECRET):
            return _refusal(403, "invalid client secret")
        return web.json_response({"access_token": self.token, "expires_in": 5_000_000, "token_type": "bearer"})

    async def find_users(self, request: web.Request) -> web.Response:
        found = [
            {
                "id": str(self.users[login]), "login": login, "display_name": login.title(), "type": "",
                "broadcaster_type": "", "description": "", "profile_image_url": "https://x.test/p.png",
                "offline_image_url": "https://x.test/o.png", "created_at": rfc3339(0), "view_count": 0,
            }
            for login in request.query.getall("login")
            if login in self.users
        ]  # fmt: skip
        return web.json_response({"data": found})

    async def conduits_asked(self, request: web.Request) -> web.Response:
        if request.method == "POST":
            if len(self.conduits) >= 5:
                return _refusal(429, "conduit limit reached")
            found = [self.add_conduit(int(request.query["shard_count"]))]
        elif request.method == "PATCH":
            found = [self.conduits[request.query["id"]]]
            found[0].shard_count = int(request.query["shard_count"])
        else:
            found = list(self.conduits.values())
        return web.json_response({"data": [{"id": each.id, "shard_count": each.shard_count} for each in found]})

    async def shards_asked(self, request: web.Request) -> web.Response:
        conduit = self.conduits.get(request.query["conduit_id"])
        if conduit is None:
            return _refusal(404, "conduit not found")
        if request.method == "GET":
            shown = [
                {"id": number, "status": status, "transport": {"method": "websocket", "session_id": session}}
                for number, (session, status) in conduit.shards.items()
            ]
            return web.json_response({"data": shown, "pagination": {}})
        errors = []
        for shard in (await request.json())["shards"]:
            session = shard["transport"]["session_id"]
            if any(each.id == session and not each.gone for each in self.sessions):
                conduit.shards[shard["id"]] = (session, "enabled")
            else:
                errors.append({"id": shard["id"], "message": "The session is not connected", "code": "bad"})
        return web.json_response({"data": [], "errors": errors}, status=202)

    async def subscriptions_asked(self, request: web.Request) -> web.Response:
        if request.method == "DELETE":
            if self.subscriptions.pop(request.query["id"], None) is None:
                return _refusal(404, "subscription not found")
            return web.Response(status=204)
        if request.method == "POST":
            body = await request.json()
            conduit = self.conduits.get(body["transport"]["conduit_id"])
            if conduit is None:
                return _refusal(404, "conduit not found")
            key = (body["type"], body["condition"]["broadcaster_user_id"])
            others = [each for each in self.subscriptions.values() if each["transport"] == body["transport"]]
            if key in (self.subscribed if self.one_for_all else _what(others)):
                return _refusal(409, "subscription already exists")
            number = self.subscribe(conduit, key[0], int(key[1]), body["condition"]["user_id"])
            return web.json_response({"data": [self.subscriptions[number]], "total": 1}, status=202)
        # All of the application's, as if Twitch did not know the filter: whose they are is to be looked at.
        start = int(request.query.get("after", 0))
        every = list(self.subscriptions.values())
        after = {"cursor": str(start + self.page)} if start + self.page < len(every) else {}
        found = {"data": every[start : start + self.page], "pagination": after}
        return web.json_response(found | {"total": len(every), "total_cost": 0, "max_total_cost": 10_000})

    async def connect(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if request.path == "/moved" and not self.reconnects:
            await socket.close(code=4007)
            return socket
        moved = self.moved_id or request.query.get("from")
        session = Session(moved or f"session{next(self._numbers)}", socket, request.path_qs)
        self.sessions.append(session)
        if self.welcomes:
            await session.send("session_welcome", {"session": {
                "id": session.id, "status": "connected", "connected_at": rfc3339(0),
                "keepalive_timeout_seconds": 10, "reconnect_url": None,
            }})  # fmt: skip
        async for message in socket:
            assert message.type not in (WSMsgType.TEXT, WSMsgType.BINARY), "a client must not speak"
        session.gone = True
        for conduit in self.conduits.values():
            for number, (placed, _) in list(conduit.shards.items()):
                if placed == session.id and all(each.gone for each in self.sessions if each.id == placed):
                    conduit.shards[number] = (placed, "websocket_disconnected")
        return socket


def _what(subscriptions: Iterable[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(each["type"], each["condition"]["broadcaster_user_id"]) for each in subscriptions}


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"error": "x", "status": status, "message": message}, status=status)


@contextlib.asynccontextmanager
async def eventsub_server() -> AsyncIterator[EventSubServer]:
    """Run the server for as long as the block runs."""
    server = EventSubServer()
    app = web.Application(middlewares=[server.gate])
    app.router.add_post("/id/oauth2/token", server.log_in)
    app.router.add_get("/helix/users", server.find_users)
    app.router.add_route("*", "/helix/eventsub/conduits", server.conduits_asked)
    app.router.add_route("*", "/helix/eventsub/conduits/shards", server.shards_asked)
    app.router.add_route("*", "/helix/eventsub/subscriptions", server.subscriptions_asked)
    app.router.add_get("/ws", server.connect)
    app.router.add_get("/moved", server.connect)
    runner = web.AppRunner(app, shutdown_timeout=1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        for session in server.sessions:
            await session.socket.close()
        await runner.cleanup()
