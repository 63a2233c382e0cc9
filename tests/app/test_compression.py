from __future__ import annotations

import zlib

import pytest
import zstandard

LOG = "/v1/channels/moonbase/messages"


async def raw(client, route: str, encoding: str, **params):
    async with client.stream("GET", route, params=params, headers={"accept-encoding": encoding}) as answer:
        return answer.headers, b"".join([piece async for piece in answer.aiter_raw()])


@pytest.mark.parametrize("form", ["json", "text", "raw", "ndjson"])
async def test_answers_are_smaller_for_who_takes_it_and_the_same(client, form):
    params = {"format": form, "order": "asc"}
    headers, plain = await raw(client, LOG, "identity", **params)
    assert "content-encoding" not in headers
    assert "accept-encoding" in headers["vary"].lower()
    inflate = {
        "gzip": lambda body: zlib.decompress(body, 31),
        "zstd": lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body),
    }
    for encoding, plainly in inflate.items():
        headers, body = await raw(client, LOG, encoding, **params)
        assert headers["content-encoding"] == encoding
        assert "accept" in headers["vary"].lower()
        assert plainly(body) == plain
        assert len(body) < len(plain) / 3
    headers, body = await raw(client, LOG, "br;q=1.0, gzip;q=0.5", **params)
    assert headers["content-encoding"] == "br"
    assert len(body) < len(plain) / 3


async def test_what_is_small_stays_as_it_is(client):
    headers, body = await raw(client, "/healthz", "gzip")
    assert "content-encoding" not in headers
    assert body == b'{"status":"alive"}'


async def test_what_is_live_is_not_compressed(client):
    headers = {"accept-encoding": "gzip, br, zstd"}
    async with client.stream("GET", "/v1/channels/moonbase/live", headers=headers) as answer:
        assert "content-encoding" not in answer.headers
        assert (await anext(answer.aiter_raw())).startswith(b"id: ")
