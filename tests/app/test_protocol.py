from __future__ import annotations

import asyncio

import pytest
from support.patience import patience

from app.protocol import MOST_BYTES


async def send(client, *pieces: bytes) -> bytes:
    """Send bytes as they are, and give all that comes back until the connection is closed or silent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
    found = b""
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with patience():
            while piece := await reader.read(65536):
                found += piece
    except ConnectionError:
        pass
    finally:
        writer.close()
    return found


@pytest.mark.parametrize(
    "endless", [b"GET /" + b"x" * MOST_BYTES * 2, b"GET / HTTP/1.1\r\nx: " + b"x" * MOST_BYTES * 2]
)
async def test_a_request_that_does_not_end_is_not_waited_for(client, endless):
    assert (await send(client, endless)).startswith(b"HTTP/1.1 400")


async def test_requests_one_after_the_other_are_each_their_own(client):
    one = b"GET /healthz HTTP/1.1\r\nhost: here\r\nx-long: " + b"x" * 9000 + b"\r\n\r\n"
    last = b"GET /healthz HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n"
    found = await send(client, *[one] * 9, last)
    assert found.count(b"HTTP/1.1 200") == 10
