"""`logstv optout` and `logstv erase` as an operator runs them."""

from __future__ import annotations

import asyncio
import json

from support import lines, named

from store.message import Message
from store.opted_out import nobody
from store.optouts import Optouts
from store.reader import Log, Reader
from store.shapes import USER


async def test_a_user_is_opted_out_erased_and_opted_in_again(store, writer, logstv, tmp_path):
    await writer.write([Message.parse(line) for line in named.everything()])
    added = await asyncio.to_thread(logstv, "optout", "add", "ada_lift", "id:88")
    said = f"Opted out: the user id:{named.ADA} (ada_before, ada_lift), the user id:88.\n"
    assert (added.returncode, added.stdout) == (0, said), added.stderr
    erased = await asyncio.to_thread(logstv, "erase", "run")
    assert erased.returncode == 0, erased.stderr
    assert f"Erased: the user id:{named.ADA}.\n" in erased.stdout
    again = await asyncio.to_thread(logstv, "erase", "run")
    assert "There is nothing to erase" in again.stdout
    hers = Log(USER, (named.ADA,))
    reader = await Reader.open(store.session, nobody)
    assert not (await reader.page(hers, limit=1)).messages
    shown = json.loads((await asyncio.to_thread(logstv, "optout", "list", "--json")).stdout)
    assert [(each["id"], each["erased"], each["until"]) for each in shown] == [
        ("88", True, None),
        (str(named.ADA), True, None),
    ]
    # Files that are replayed do not bring her back, nor does opting in again, as far as they were said before it.
    path = tmp_path / "chat.irc"
    path.write_text("\n".join(named.everything()))
    for _ in range(2):
        replayed = await asyncio.to_thread(logstv, "replay", "--retention", "0", str(path))
        assert replayed.returncode == 0, replayed.stderr
        assert not (await reader.page(hers, limit=1)).messages
        removed = await asyncio.to_thread(logstv, "optout", "remove", "ada_before")
    assert removed.returncode == 1
    assert "none of these users has opted out" in removed.stderr
    assert "until" in (await asyncio.to_thread(logstv, "optout", "list")).stdout


async def test_a_channel_is_one_by_its_option(store, writer, logstv):
    await writer.write([Message.parse(lines.privmsg("hi"))])
    added = await asyncio.to_thread(logstv, "optout", "add", "--channel", "#MoonBase")
    assert added.stdout == f"Opted out: the channel id:{lines.CHANNEL_ID} (moonbase).\n"
    optouts = await Optouts.open(store.session)
    await optouts.refresh()
    assert optouts.current.has_channel(lines.CHANNEL_ID)
    assert not optouts.current.has_user(lines.CHANNEL_ID)


async def test_a_name_that_nobody_has_gets_a_sentence(store, logstv):
    told = await asyncio.to_thread(logstv, "optout", "add", "nobody_here")
    assert told.returncode == 1
    assert "nobody was seen here under the login 'nobody_here'" in told.stderr
    assert (await asyncio.to_thread(logstv, "optout", "list")).stdout == "Nobody has opted out.\n"
