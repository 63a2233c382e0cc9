from __future__ import annotations

import pytest

LOG = "/v1/channels/moonbase/messages"


@pytest.mark.parametrize("route", [LOG, f"{LOG}?format=raw", "/v1/channels", "/v1/channels/moonbase/days", "/docs"])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_who_has_an_answer_is_told_so_without_a_body(client, route, encoding):
    headers = {"accept-encoding": encoding}
    whole = await client.get(route, headers=headers)
    etag = whole.headers["etag"]
    assert etag.startswith('W/"')
    for known in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
        again = await client.get(route, headers=headers | {"if-none-match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
        assert again.headers["cache-control"] == "no-cache"
        assert again.headers.get("link") == whole.headers.get("link")
        assert "content-type" not in again.headers
    other = await client.get(route, headers=headers | {"if-none-match": 'W/"other"'})
    assert (other.status_code, other.content) == (200, whole.content)


async def test_another_page_is_another_etag_and_head_has_that_of_get(client):
    etags = [(await client.get(LOG, params={"limit": limit})).headers["etag"] for limit in (3, 4)]
    assert etags[0] != etags[1]
    assert (await client.head(LOG, params={"limit": 3})).headers["etag"] == etags[0]


async def test_a_stream_and_a_problem_have_none(client):
    for route in (f"{LOG}?format=ndjson", f"{LOG}?limit=0"):
        answer = await client.get(route, headers={"if-none-match": "*"})
        assert answer.status_code in (200, 400)
        assert "etag" not in answer.headers
        assert "etag" not in (await client.head(route)).headers
