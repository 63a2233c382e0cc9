from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress

import httpx2
import pytest
from support import lines
from support.cassandra import unused_ports
from support.flaky import Door
from support.patience import PATIENCE_SECONDS
from support.serving import served, until_ready

from app.errors import PortTaken
from app.server import _listen, serve
from app.settings import AppSettings
from store.message import Message
from store.settings import StoreSettings

LOG = "/v1/channels/moonbase/messages"
LONG = 8000
START = lines.EVENING_MS
NOWHERE = StoreSettings(contact_points=("127.0.0.1",), cql_port=1)


async def test_a_port_that_is_taken_is_a_sentence():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=rf"port {port} .*LOGSTV_PORT"):
            await serve(NOWHERE, AppSettings(port=port))


async def test_connections_do_not_wait_for_the_client_before_they_send_a_body():
    (port,) = unused_ports(1)
    with _listen(AppSettings(port=port)) as listening:
        loop = asyncio.get_running_loop()
        made: asyncio.Future[asyncio.BaseTransport] = loop.create_future()

        class Answering(asyncio.Protocol):
            def connection_made(self, transport):
                made.set_result(transport)

        async with await loop.create_server(Answering, sock=listening):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            transport = await made
            assert transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            transport.close()
            writer.close()
            await writer.wait_closed()


async def test_it_ends_when_it_is_cancelled_and_frees_its_port():
    (port,) = unused_ports(1)
    for _ in range(2):
        started = asyncio.Event()
        serving = asyncio.create_task(serve(NOWHERE, AppSettings(port=port), started=started.set))
        await asyncio.wait_for(started.wait(), PATIENCE_SECONDS)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(serving, PATIENCE_SECONDS)


async def read_while_it_breaks(client, door: Door) -> bytes:
    """Read a stream, and shut the door to Cassandra behind its first piece."""
    found = b""
    with suppress(httpx2.RemoteProtocolError):
        async with client.stream("GET", "/v1/channels/long/messages", params={"format": "ndjson"}) as answer:
            assert answer.status_code == 200
            async for piece in answer.aiter_raw():
                if not found:
                    await door.shut()
                found += piece
        raise AssertionError("the stream ended as if it were whole")
    return found


async def test_a_stream_that_cassandra_breaks_off_never_looks_whole(module_store, module_writer, client, caplog):
    said = "x" * 400  # some 16 MB in all, more than the sockets on the way hold
    for start in range(0, LONG, 250):
        await module_writer.write(
            [
                Message.parse(
                    lines.privmsg(said, number=number, channel_id=9002, channel="long", sent_ms=START + number)
                )
                for number in range(start, start + 250)
            ]
        )
    await module_writer.flush()
    (port,) = unused_ports(1)
    settings = module_store.session.settings
    door = Door(settings.contact_points[0], settings.cql_port, port)
    await door.open()
    through = settings.model_copy(update={"contact_points": ("127.0.0.1",), "cql_port": port, "request_timeout": 10})
    async with served(through) as cut_off:
        await until_ready(cut_off)
        with caplog.at_level(logging.CRITICAL, "uvicorn.error"):
            found = await read_while_it_breaks(cut_off, door)
    assert 0 < found.count(b"\n") < LONG


async def test_answers_may_be_read_by_pages_of_elsewhere_and_are_asked_for_again(client):
    answer = await client.get(LOG, headers={"origin": "https://example.org"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "Link" in answer.headers["access-control-expose-headers"]
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    asked = {"origin": "https://example.org", "access-control-request-method": "DELETE"}
    assert (await client.options(LOG, headers=asked)).status_code == 400


@pytest.mark.parametrize(
    ("path", "route"),
    [(LOG, "/v1/channels/{channel}/messages"), ("/channels", "/channels"), ("/page/main.js", "/page/{name}")],
)
async def test_a_request_for_headers_alone_is_counted_for_its_route(client, path, route):
    async def counted(route: str) -> float:
        label = f'logstv_http_requests_total{{route="{route}",status="200"}} '
        lines = (await client.get("/metrics")).text.splitlines()
        return sum(float(line.removeprefix(label)) for line in lines if line.startswith(label))

    before, others = await counted(route), await counted("other")
    assert (await client.head(path)).status_code == 200
    assert (await counted(route), await counted("other")) == (before + 1, others)
