"""Nobody who has opted out shows anywhere: over every route that there is, so that a new one is held to it too."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from itertools import product

import httpx2
import pytest
from support import lines, named
from support.patience import patience
from support.serving import served, until_ready

from app.service import create_app
from app.settings import AppSettings
from store.message import Message
from store.optouts import Kind, Optouts, Way
from store.settings import StoreSettings

KEY = {"x-api-key": "let-me-in"}
SPAN = f"from={lines.EVENING_MS // 1000}&to={lines.EVENING_MS // 1000 + 40 * 86_400}"

# The queries to ask each route with, by its path or the last word of that, and what stands in a path.
FORMS = {
    "messages": [
        "",
        "format=text",
        "format=raw",
        "format=ndjson",
        "q=a",
        "include=kept",
        f"{SPAN}&order=asc&limit=1000",
    ],
    "{thread}": [SPAN],
    "{sent}": ["before=100&after=100"],
    "stats": ["", SPAN, f"{SPAN}&top=100"],
    "search": ["q=o", "q=a&json", "q=a&raw"],
    "random": ["json"],
    "{day}": ["", "json", "raw", "ndjson", "jsonBasic", "json&reverse&limit=50", "json&offset=3&limit=50"],
    "{month}": ["", "json", "raw"],
    "{channel}": [f"{SPAN}&json"],
    "{user}": [f"{SPAN}&json"],
    "{login}": ["", "clearchat_to_notice=1"],
    "/v1/logins/{login}": ["", "at=2026-03-02T00:00:00Z"],
    "/v1/channels/{channel}/users/{user}/stats": ["", SPAN],
    "list": ["channel=moonbase", "channel=moonbase&user=bo_nord"],
}
VALUES = {
    "channel": ["moonbase"], "user": ["bo_nord"], "login": ["moonbase"], "channel_by": ["channel"], "user_by": ["user"],
    "year": ["2026"], "month": ["3"], "day": ["1"], "user_id": [str(named.BO)], "thread": [lines.message_id(101)],
    "sent": [str(Message.parse(named.quoting()[0]).sent)],
}  # fmt: skip
STREAMS = {"/v1/channels/{channel}/live"}
NOT_ABOUT_LINES = {"/healthz", "/readyz", "/capabilities"}


def routes() -> list[str]:
    paths = create_app(StoreSettings(), AppSettings()).openapi()["paths"]
    return [path for path, methods in paths.items() if "get" in methods and "/admin/" not in path]


def queries(path: str) -> list[str]:
    return FORMS.get(path) or FORMS.get(path.rpartition("/")[2], [""])


def filled(path: str, **more: list[str]) -> Iterator[str]:
    """Give a route's path with its names filled in, in every way that they can be."""
    values = VALUES | more
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    for chosen in product(*(values[name] for name in names)):
        found = path
        for name, value in zip(names, chosen, strict=True):
            found = found.replace(f"{{{name}}}", value)
        yield found


@pytest.fixture(scope="module")
async def client(module_store, module_writer) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a service over a chat in which ada_lift shows everywhere; she is out, and nothing is erased yet."""
    await module_writer.write([Message.parse(line) for line in named.everything()])
    await module_writer.flush()
    settings = module_store.session.settings
    async with served(settings, admin_key="let-me-in", names_seconds=60, live_seconds=0.05) as client:
        await until_ready(client)
        # Her id and the channel's are remembered when she opts out.
        assert (await client.get("/v1/channels/moonbase/users/ada_lift/messages")).json()["messages"]
        answer = await client.request("POST", "/v1/admin/optouts", json={"users": ["ada_lift"]}, headers=KEY)
        assert answer.status_code == 200
        yield client


def assert_no_trace(answer: httpx2.Response) -> None:
    text = (answer.text + repr(answer.headers)).lower().replace(str(answer.url), "")
    assert not [trace for trace in named.TRACES if trace in text], (answer.url, text)


@pytest.mark.parametrize("path", routes())
async def test_no_route_shows_her(client, path):
    if path in STREAMS:
        return
    answered = 0
    for address in filled(path, login=["moonbase", "bo_nord"]):
        for query in queries(path):
            answer = await client.get(f"{address}?{query}")
            assert_no_trace(answer)
            answered += answer.status_code in (200, 303)
    assert answered, "the test asks this route nothing that it answers: give it something in FORMS or VALUES"


async def test_the_pages_are_full_and_lack_her_lines_alone(client):
    address = f"/v1/channels/moonbase/messages?{SPAN}&format=json&limit=10"
    found = []
    while address:
        page = (await client.get(address)).json()
        found += page["messages"]
        cursor = page["page"]["next"]
        assert len(page["messages"]) == 10 or cursor is None
        address = cursor and f"/v1/channels/moonbase/messages?limit=10&cursor={cursor}"
    others = [*named.quoting(), *(line for line in named.of_others() if "#moonbase" in line)]
    assert sorted(message["id"] for message in found) == sorted(Message.parse(line).id for line in others)


@pytest.mark.parametrize("query", ["json", "json&reverse"])
async def test_an_offset_skips_lines_that_are_shown(client, query):
    whole = (await client.get(f"/channel/moonbase/2026/3/1?{query}")).json()["messages"]
    parts = []
    for offset in range(0, len(whole), 9):
        answer = await client.get(f"/channel/moonbase/2026/3/1?{query}&offset={offset}&limit=9")
        parts += answer.json()["messages"]
    assert parts == whole


HER_NAMES = ["ada_lift", "ADA_LIFT", "ada_before", f"id:{named.ADA}"]


@pytest.mark.parametrize("path", [path for path in routes() if "{user" in path or path == "/v1/logins/{login}"])
async def test_every_route_refuses_her_by_every_name_before_it_looks(client, path):
    names = HER_NAMES if path.startswith("/v1") else HER_NAMES[:3]
    names = names[:3] if "{login}" in path else names
    for address in filled(path, user=names, login=names, user_id=[str(named.ADA)], channel=["moonbase", "demo"]):
        for query in queries(path):
            answer = await client.get(f"{address}?{query}")
            assert answer.status_code == 403, address
            if path.startswith("/v1"):
                assert answer.json()["code"] == "opted_out"
            else:
                assert answer.text == "The requested user has opted out of being logged"


async def test_her_id_is_refused_on_the_compatible_routes_also_in_lists(client):
    for address in (
        f"/channelid/{lines.CHANNEL_ID}/userid/{named.ADA}/2026/3",
        f"/list?channel=moonbase&userid={named.ADA}",
        "/list?channel=moonbase&user=ada_before",
    ):
        assert (await client.get(address)).status_code == 403


@pytest.mark.parametrize("path", [path for path in routes() if "{channel}" in path and "{user}" in path])
async def test_who_is_out_is_refused_before_the_other_is_missed(client, path):
    for address in filled(path, channel=["no_such_channel"], user=["ada_lift"]):
        assert (await client.get(f"{address}?{queries(path)[0]}")).status_code == 403
    for address in filled(path, channel=["no_such_channel"], user=["bo_nord"]):
        assert (await client.get(f"{address}?{queries(path)[0]}")).status_code == 404


async def test_statistics_count_without_her(client):
    found = (await client.get(f"/v1/channels/moonbase/stats?{SPAN}&top=10")).json()
    assert {each["user"]["login"] for each in found["top"]} == {"bo_nord", "cy_west"}
    compatible = (await client.get("/channel/moonbase/stats")).json()
    assert {each["userLogin"] for each in compatible["topChatters"]} == {"bo_nord", "cy_west"}


async def test_her_line_itself_is_not_there(client):
    for line in named.hers()[:3]:
        answer = await client.get(f"/v1/channels/moonbase/messages/{Message.parse(line).sent}")
        assert answer.status_code == 404


async def test_live_leaves_her_out(client, module_writer, now_ms):
    async with patience(), client.stream("GET", "/v1/channels/moonbase/live?last=60") as stream:
        text = ""
        said = [
            lines.privmsg(named.SECRET, number=801, sent_ms=now_ms, user_id=named.ADA, login="ada_lift"),
            named.quoting()[0]
            .replace(lines.message_id(201), lines.message_id(802))
            .replace(f"tmi-sent-ts={lines.EVENING_MS + 201_000}", f"tmi-sent-ts={now_ms + 1}"),
            lines.privmsg("the end", number=803, sent_ms=now_ms + 2, user_id=named.BO, login="bo_nord"),
        ]
        async for piece in stream.aiter_text():
            if not text:
                await module_writer.write([Message.parse(line) for line in said])
            text += piece
            if "the end" in text:
                break
    assert lines.message_id(802) in text
    assert not [trace for trace in named.TRACES if trace in text.lower()]


@pytest.fixture
async def one_channel_out(client, module_store) -> AsyncIterator[None]:
    body = {"channels": ["moonbase"]}
    await client.request("POST", "/v1/admin/optouts", json=body, headers=KEY)
    yield
    await client.request("DELETE", "/v1/admin/optouts", json=body, headers=KEY)


@pytest.mark.parametrize("path", [path for path in routes() if "{channel}" in path or "recent-messages" in path])
async def test_every_route_refuses_a_channel(client, one_channel_out, path):
    names = ["moonbase", f"id:{lines.CHANNEL_ID}"] if path.startswith("/v1") else ["moonbase", "MOONBASE"]
    for address in filled(path, channel=names, user=["bo_nord", "nobody_at_all"]):
        for query in queries(path):
            answer = await client.get(f"{address}?{query}")
            assert answer.status_code == 403, address
            if "recent-messages" in path:
                assert answer.json()["error_code"] == "channel_ignored"
            elif path.startswith("/v1"):
                assert answer.json()["code"] == "opted_out"
            else:
                assert answer.text == "The requested channel has opted out of being logged"


async def test_a_channel_is_not_listed_and_its_lines_are_in_nobodys_log(client, one_channel_out):
    assert "moonbase" not in (await client.get("/v1/channels")).text
    assert "moonbase" not in (await client.get("/channels")).text
    assert (await client.get("/list?channel=moonbase")).status_code == 403
    assert (await client.get(f"/channelid/{lines.CHANNEL_ID}")).status_code == 403
    said = (await client.get("/v1/users/bo_nord/messages")).json()["messages"]
    assert {message["channel"]["login"] for message in said} == {"demo"}


async def test_a_channel_that_nobody_knows_is_refused_all_the_same(client):
    body = {"channels": ["id:123456"], "users": ["id:654321"]}
    await client.request("POST", "/v1/admin/optouts", json=body, headers=KEY)
    assert (await client.get("/v1/channels/id:123456/messages")).status_code == 403
    assert (await client.get("/v1/users/id:654321/messages")).status_code == 403
    assert (await client.get("/namehistory/654321")).status_code == 403


async def test_a_listener_of_a_channel_that_opts_out_is_told_and_let_go(client, module_writer):
    async with patience(), client.stream("GET", "/v1/channels/demo/live") as stream:
        text = ""
        async for piece in stream.aiter_text():
            if not text:
                await client.request("POST", "/v1/admin/optouts", json={"channels": ["demo"]}, headers=KEY)
            text += piece
    assert "the channel has opted out" in text
    await client.request("DELETE", "/v1/admin/optouts", json={"channels": ["demo"]}, headers=KEY)


async def test_another_instance_follows_within_its_look(client, module_store):
    async with served(module_store.session.settings, optout_seconds=0.05) as elsewhere:
        await until_ready(elsewhere)
        optouts = await Optouts.open(module_store.session)
        assert (await elsewhere.get("/v1/users/cy_west/messages")).status_code == 200
        await optouts.add(Kind.USER, [named.CY], Way.ADMIN)
        async with patience():
            while (await elsewhere.get("/v1/users/cy_west/messages")).status_code != 403:
                await asyncio.sleep(0.02)
        await optouts.remove(Kind.USER, [named.CY])
        async with patience():
            while (await elsewhere.get("/v1/users/cy_west/messages")).status_code != 200:
                await asyncio.sleep(0.02)


async def test_the_admin_sees_who_is_out_and_lets_them_in_again(client):
    await client.request("POST", "/v1/admin/optouts", json={"users": ["id:88"]}, headers=KEY)
    answer = await client.request("DELETE", "/v1/admin/optouts", json={"users": ["id:88", "id:89"]}, headers=KEY)
    (row,) = answer.json()["optouts"]
    assert (row["kind"], row["id"], row["way"], row["erased"]) == ("user", "88", "admin", False)
    assert row["until"] > row["since"]
    listed = (await client.get("/v1/admin/optouts", headers=KEY)).json()["optouts"]
    assert row in listed
    assert {"ada_lift", "ada_before"} == {
        name for each in listed if each["id"] == str(named.ADA) for name in each["logins"]
    }


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("{}", "names nobody"),
        ('{"users":["nobody_at_all"]}', "nobody was seen here"),
        ('{"users":["not a login"]}', "is no user"),
        ('{"user":["bo_nord"]}', "user: "),
        ("[", "a body is JSON as in"),
    ],
)
async def test_a_body_that_makes_no_sense_gets_a_sentence(client, body, says):
    for method in ("POST", "DELETE"):
        answer = await client.request(method, "/v1/admin/optouts", content=body, headers=KEY)
        assert answer.status_code == 400
        assert says in answer.json()["detail"]


async def test_only_the_admin_may(client):
    for method in ("GET", "POST", "DELETE"):
        assert (await client.request(method, "/v1/admin/optouts", content="[")).status_code == 403


async def test_codes_are_given_out_in_both_shapes(client, module_store):
    ours = await client.post("/v1/optout")
    assert ours.status_code == 200
    assert ours.headers["cache-control"] == "no-store"
    assert ours.json()["say"]["user"] == f"!logstv optout {ours.json()['code']}"
    theirs = await client.post("/optout/")
    assert theirs.status_code == 200
    for code in (ours.json()["code"], theirs.json()):
        assert await module_store.codes.is_good(code)
    assert (await client.get("/optout")).status_code == 405


class Again:
    """Someone who said something, opted out and in again, and says something since; nothing is erased yet."""

    def __init__(self, client, writer, number: int) -> None:
        self.user_id, self.login = 88_000_000 + number, f"dee_fern{number}"
        self.channel_id, self.channel = 78_000_000 + number, f"meadow{number}"
        self._client, self._writer, self._number = client, writer, number * 1000

    async def say(self, *times_ms: int) -> None:
        said = []
        for sent_ms in times_ms:
            self._number += 1
            said.append(
                lines.privmsg(
                    "hi", number=self._number, sent_ms=sent_ms, user_id=self.user_id, login=self.login,
                    channel_id=self.channel_id, channel=self.channel,
                )
            )  # fmt: skip
        await self._writer.write([Message.parse(line) for line in said])
        await self._writer.flush()

    async def was_out(self, kind: str) -> None:
        name = f"id:{self.user_id if kind == 'users' else self.channel_id}"
        for method in ("POST", "DELETE"):
            answer = await self._client.request(method, "/v1/admin/optouts", json={kind: [name]}, headers=KEY)
            assert answer.status_code == 200

    async def counts(self, now_ms: int) -> dict[str, object]:
        """Give every number and every date that the service has of the log of the user and of the channel."""
        by_id = f"/channelid/{self.channel_id}"
        of_channel, of_user = f"/v1/channels/id:{self.channel_id}", f"/users/id:{self.user_id}"
        span = {"from": now_ms - 86_400_000, "to": now_ms + 86_400_000}

        async def ask(path: str, **params: object) -> object:
            answer = await self._client.get(path, params=params)
            assert answer.status_code in (200, 404), answer.text
            return answer.json() if answer.status_code == 200 else {}

        return {
            "stats": (await ask(f"{of_channel}{of_user}/stats", **span))["total"],
            "channel's stats": (await ask(f"{of_channel}/stats", **span))["total"],
            "messageCount": (await ask(f"{by_id}/userid/{self.user_id}/stats"))["messageCount"],
            "channel's messageCount": (await ask(f"{by_id}/stats"))["messageCount"],
            "months": len((await ask(f"{of_channel}{of_user}/months"))["months"]),
            "months anywhere": len((await ask(f"/v1{of_user}/months"))["months"]),
            "days": len((await ask(f"{of_channel}/days"))["days"]),
            "list": len((await ask("/list", channelid=self.channel_id)).get("availableLogs", [])),
            "list of the user": len(
                (await ask("/list", channelid=self.channel_id, userid=self.user_id)).get("availableLogs", [])
            ),
            "random": len((await ask(f"{by_id}/userid/{self.user_id}/random", json=1)).get("messages", [])),
        }


@pytest.mark.parametrize(("number", "kind"), [(1, "users"), (2, "channels")])
async def test_who_opts_in_again_is_counted_anew(client, module_writer, number, kind):
    again = Again(client, module_writer, number)
    now_ms = time.time_ns() // 1_000_000
    await again.say(lines.EVENING_MS, lines.EVENING_MS + 1, now_ms - 2, now_ms - 1)
    await again.was_out(kind)
    counted = await again.counts(now_ms)
    # Of a log with lines of others it is not looked whether all of a day, or month, is of one who was out.
    others = "days" if kind == "users" else "months anywhere"
    assert {name for name, count in counted.items() if count} == {others}, counted
    now_ms = time.time_ns() // 1_000_000
    await again.say(now_ms, now_ms + 1, now_ms + 2)
    counted = await again.counts(now_ms)
    assert counted.pop(others) == 2
    assert {name: count for name, count in counted.items() if count not in (1, 3)} == {}
    assert counted["stats"] == counted["messageCount"] == counted["channel's messageCount"] == 3
    assert counted["channel's stats"] == 3
    listed = (await client.get("/v1/channels")).json()["channels"]
    [shown] = [each for each in listed if each["id"] == str(again.channel_id)]
    assert (shown["firstDay"] == shown["lastDay"]) is (kind == "channels")
