"""`logstv channels` and `logstv workers` as an operator runs them, beside a worker that runs."""

from __future__ import annotations

import asyncio
import json
import sys

from support.patience import patience

from ingest.demo import DemoChat, DemoChatServer
from store.wanted import WantedChannels


async def test_channels_are_added_shown_and_removed_while_a_worker_reads_them(store, logstv, environment, unused_port):
    metrics = {"LOGSTV_METRICS_ADDRESS": f"127.0.0.1:{unused_port}"}
    chat = DemoChat(channels=("moonbase", "demo"), rate=20)
    async with DemoChatServer(chat) as server:
        reader = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "logstv", "ingest"),
            env=environment | {"LOGSTV_IRC_URL": f"irc://127.0.0.1:{server.port}", "LOGSTV_WORKER": "ada"} | metrics,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            rules = ("--retention-days", "30", "--without", "clearchat,clearmsg", "--archive-days", "0")
            added = await asyncio.to_thread(logstv, "channels", "add", "#MoonBase", "demo", *rules)
            assert (added.returncode, added.stdout) == (0, "To be read: moonbase, demo.\n"), added.stderr
            moonbase = str(chat.channel_id("moonbase"))

            def shown() -> list[dict]:
                told = logstv("channels", "list", "--json")
                assert told.returncode == 0, told.stderr
                return json.loads(told.stdout)

            async with patience():
                while [each["readers"] for each in await asyncio.to_thread(shown)] != [["ada"], ["ada"]]:
                    pass
            assert (await asyncio.to_thread(shown))[1] == {
                "name": "moonbase",
                "id": moonbase,
                "login": "moonbase",
                "retentionDays": 30,
                "archiveDays": 0,
                "without": ["clearchat", "clearmsg"],
                "readers": ["ada"],
            }
            table = await asyncio.to_thread(logstv, "channels", "list")
            assert "moonbase" in table.stdout
            assert "30 days, archived for ever" in table.stdout
            assert "clearchat, clearmsg" in table.stdout

            def told_of_ada() -> dict:
                [ada] = json.loads(logstv("workers", "--json").stdout)
                return ada

            async with patience():
                while not (ada := await asyncio.to_thread(told_of_ada))["lines"]:
                    pass
            assert (ada["name"], ada["wanted"], ada["joined"], ada["failed"], ada["leaving"]) == ("ada", 2, 2, 0, False)
            assert {"id": moonbase, "login": "moonbase"} in ada["reads"]
            assert ada["heartbeatAgeSeconds"] < 60
            assert (ada["connections"], ada["alarm"], ada["failing"]) == (1, "", {})
            assert 0 <= ada["lagSeconds"] < 60
            told = await asyncio.to_thread(logstv, "workers")
            assert "demo, moonbase" in told.stdout
            status = json.loads((await asyncio.to_thread(logstv, "status", "--json", **metrics)).stdout)
            assert (status["state"], status["metrics"]["joined"], status["workers"][0]["connections"]) == ("well", 2, 1)
            assert status["metrics"]["lag_seconds"] < 60
            removed = await asyncio.to_thread(logstv, "channels", "remove", f"id:{moonbase}")
            assert (removed.returncode, removed.stdout) == (0, "No longer read: moonbase.\n")
            async with patience():
                while {name for client in server._clients for name in client.channels} != {"demo"}:
                    await asyncio.sleep(0.1)
        finally:
            reader.terminate()
            _, said = await reader.communicate()
        assert reader.returncode == 0, said.decode()
    gone = await asyncio.to_thread(logstv, "workers")
    assert gone.stdout == "No worker is there: start one with `logstv ingest`.\n"


async def test_what_makes_no_sense_is_a_sentence_and_what_is_not_there_is_named(store, logstv):
    wanted = await WantedChannels.open(store.session)
    for arguments, sentence in (
        (("add", "no spaces"), "write a login"),
        (("add", "id:77"), "add the channel by its login"),
        (("add", "demo", "--retention-days", "soon"), "0 for ever, or `table`"),
        (("add", "demo", "--types", "chat"), "'chat' is no type of message"),
        (("add", "demo", "--types", "privmsg", "--without", "clearchat"), "not both"),
        (("remove", "demo"), "'demo' is not to be read anyway"),
    ):
        told = await asyncio.to_thread(logstv, "channels", *arguments)
        assert told.returncode == 1, told.stdout
        assert sentence in told.stderr
        assert "Traceback" not in told.stderr
    assert await wanted.all() == []
    told = await asyncio.to_thread(logstv, "channels", "list")
    assert told.stdout == "No channel is to be read: add some with `logstv channels add NAME`.\n"
    await asyncio.to_thread(logstv, "channels", "add", "demo", "--retention-days", "0", "--types", "privmsg")
    await asyncio.to_thread(logstv, "channels", "add", "demo", "--retention-days", "table", "--types", "all")
    [demo] = await wanted.all()
    assert (demo.retention_days, demo.without) == (None, frozenset())


async def test_two_of_one_name_end_in_a_sentence(store, logstv, environment):
    async with DemoChatServer(DemoChat(channels=("demo",), rate=1)) as server:
        there = environment | {
            "LOGSTV_IRC_URL": f"irc://127.0.0.1:{server.port}",
            "LOGSTV_WORKER": "ada",
            "LOGSTV_WORKER_HEARTBEAT": "0.2",
        }
        command = (sys.executable, "-m", "logstv", "ingest")
        first = await asyncio.create_subprocess_exec(*command, env=there, stderr=asyncio.subprocess.DEVNULL)
        try:
            async with patience():
                while '"ada"' not in (await asyncio.to_thread(logstv, "workers", "--json")).stdout:
                    pass
            second = await asyncio.create_subprocess_exec(*command, env=there, stderr=asyncio.subprocess.PIPE)
            async with patience():
                _, said = await second.communicate()
            assert second.returncode == 1
            assert "logstv: another worker is called 'ada'" in said.decode()
            assert "Traceback" not in said.decode()
            assert first.returncode is None
        finally:
            first.terminate()
            await first.wait()
