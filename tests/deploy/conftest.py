from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

import httpx2
import pytest
from support import lines
from support.cassandra import unused_ports
from support.chat import settings_for
from support.programs import required
from support.promql import Exposed
from support.tables import emptied

from app.settings import AppSettings
from ingest.demo import DemoChat, DemoChatServer
from logstv.commands.up import _up
from store.keys import MS_IN_DAY


@pytest.fixture(scope="session")
def root() -> Path:
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def deploy(root) -> Path:
    return root / "deploy"


@pytest.fixture(scope="session")
async def exposed(_emptied_store, tmp_path_factory) -> Exposed:
    """What `logstv up` shows Prometheus, which is what a worker and an API show, once each kind of thing happened."""
    folder, (port,) = tmp_path_factory.mktemp("up"), unused_ports(1)
    tables = await emptied(_emptied_store)  # others have left their channels, and who opted out
    store = tables.session.settings.model_copy(update={"archive_url": folder.as_uri()})
    api = AppSettings(port=port, host="127.0.0.1")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LOGSTV_DATA_DIR", str(folder))
        async with DemoChatServer(DemoChat(channels=("moonbase",), rate=40)) as chat:
            running = asyncio.create_task(_up(store, settings_for(chat, worker="shown"), api, None))
            try:
                return await _what_is_shown(chat, f"http://127.0.0.1:{port}")
            finally:
                running.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await running


# Of what is shown only once there is something to say.
_AT_LAST = (
    "logstv_ingest_channel_last_line_seconds{",
    "logstv_ingest_lines_refused_total{",
    "logstv_archive_alarm ",
    "logstv_cassandra_requests_total{",
)


async def _what_is_shown(chat: DemoChatServer, address: str) -> Exposed:
    async with httpx2.AsyncClient(base_url=address) as client, asyncio.timeout(120):
        while True:
            with contextlib.suppress(httpx2.ConnectError):
                await client.get("/v1/channels/moonbase/messages")
                shown = (await client.get("/metrics")).text
                if all(name in shown for name in _AT_LAST):
                    break
                next_week_ms = time.time_ns() // 1_000_000 + 7 * MS_IN_DAY
                chat.tell("moonbase", lines.privmsg("said next week", sent_ms=next_week_ms))
            await asyncio.sleep(0.1)
    exposed = Exposed()
    exposed.read(shown)
    return exposed


@pytest.fixture
def promtool() -> str:
    """Prometheus's own checker."""
    return required("promtool", "it comes with Prometheus")
