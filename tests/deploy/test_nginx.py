"""The example is run in front of a service, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

import httpx2
import pytest
import trustme
from support import lines
from support.cassandra import unused_ports
from support.chat import until
from support.events import listening
from support.patience import patience
from support.programs import required
from support.serving import served, until_ready

from store.message import Message

LOG = f"/v1/channels/{lines.CHANNEL}/messages"
LIVE = f"/v1/channels/{lines.CHANNEL}/live"


@contextlib.asynccontextmanager
async def proxied(deploy, folder, port: int):
    """Run nginx with the example, addresses and certificate put in place; give a client over TLS and one without."""
    nginx = required("nginx", "Debian has it")
    plain, tls = unused_ports(2)
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "logs.example.org")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
    text = (deploy / "nginx" / "logstv.conf").read_text()
    for stands, put in {
        "127.0.0.1:8025": f"127.0.0.1:{port}",
        "    listen [::]:80;\n": "",
        "    listen [::]:443 ssl http2;\n": "",
        "listen 80": f"listen 127.0.0.1:{plain}",
        "listen 443": f"listen 127.0.0.1:{tls}",
        "/etc/letsencrypt/live/logs.example.org/fullchain.pem": str(folder / "both.pem"),
        "/etc/letsencrypt/live/logs.example.org/privkey.pem": str(folder / "both.pem"),
    }.items():
        assert text.count(stands) == 1, stands
        text = text.replace(stands, put)
    (folder / "logstv.conf").write_text(text)
    kept = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{kept}include {folder}/logstv.conf;\n}}\n"
    )
    process = await asyncio.create_subprocess_exec(nginx, "-c", folder / "nginx.conf", "-e", folder / "error.log")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    try:
        async with (
            httpx2.AsyncClient(base_url=f"https://127.0.0.1:{tls}", verify=context, timeout=30) as client,
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{plain}") as without,
        ):
            async with patience():
                while True:
                    with contextlib.suppress(httpx2.ConnectError):
                        await client.get("/healthz")
                        break
                    assert process.returncode is None, (folder / "error.log").read_text()
                    await asyncio.sleep(0.02)
            yield client, without
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture(scope="module")
async def proxy(module_store, module_writer, deploy, tmp_path_factory):
    """A client of a service, one of nginx in front of it, and one that asks nginx without TLS."""
    said = [lines.privmsg(f"line {number} of many that are much alike", number=number) for number in range(200)]
    await module_writer.write([Message.parse(line) for line in said])
    async with served(module_store.session.settings, live_seconds=0.05) as direct:
        await until_ready(direct)
        async with proxied(deploy, tmp_path_factory.mktemp("nginx"), direct.base_url.port) as clients:
            yield direct, *clients


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "identity"])
async def test_a_page_comes_compressed_once_and_as_the_service_gave_it(proxy, encoding):
    direct, client, _ = proxy
    itself, through = [
        await each.get(LOG, headers={"accept-encoding": encoding}, params={"limit": 100}) for each in (direct, client)
    ]
    assert through.status_code == 200
    assert through.headers.get_list("content-encoding") == [encoding] * (encoding != "identity")
    of_the_way = {"server", "date", "connection"}
    assert {k: v for k, v in through.headers.items() if k not in of_the_way} == {
        k: v for k, v in itself.headers.items() if k not in of_the_way
    }
    assert through.content == itself.content


async def test_a_live_stream_is_not_held_back(proxy, module_writer, now_ms):
    _, client, _ = proxy
    async with listening(client, LIVE) as heard:
        said = lines.privmsg("is anybody there?", number=900, sent_ms=now_ms)
        await module_writer.write([Message.parse(said)])
        await until(lambda: heard.lines == [said])


async def test_requests_are_counted_for_who_asks_whatever_it_says(module_store, deploy, tmp_path):
    async with served(module_store.session.settings, rate_limit=2, trusted_hops=1) as direct:
        await until_ready(direct)
        async with proxied(deploy, tmp_path, direct.base_url.port) as (client, _):
            claims = [{"x-forwarded-for": f"198.51.100.{number}"} for number in range(3)]
            statuses = [(await client.get("/v1/channels", headers=claim)).status_code for claim in claims]
            assert statuses == [200, 200, 429]
            # Another client, as nginx would say it, still has all of its own.
            assert (await direct.get("/v1/channels", headers={"x-forwarded-for": "192.0.2.1"})).status_code == 200


async def test_metrics_are_not_for_everybody_and_nothing_goes_in_the_clear(proxy):
    direct, client, without = proxy
    assert (await client.get("/metrics")).status_code == 404
    assert (await direct.get("/metrics")).status_code == 200
    moved = await without.get("/v1/channels?x=1", headers={"host": "logs.example.org"})
    assert (moved.status_code, moved.headers["location"]) == (301, "https://logs.example.org/v1/channels?x=1")
