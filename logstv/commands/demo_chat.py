"""`logstv demo-chat`: a made-up chat over IRC, for machines without Twitch."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from ingest.demo import DemoChat, DemoChatServer
from logstv.commands.ingest import ChannelOption, ingest_settings
from logstv.errors import CommandError
from logstv.lifecycle import run_until_stopped

DEMO_CHANNELS = ("demo", "moonbase")


def demo_chat(
    channel: ChannelOption = None,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to listen; 0 takes a free one.")] = 6667,
    rate: Annotated[float, typer.Option(min=0.01, help="Lines a second in each channel.")] = 5.0,
    seed: Annotated[int, typer.Option(help="Decides what is said and by whom.")] = 1,
) -> None:
    """Serve a made-up chat that speaks IRC as Twitch does, until Ctrl-C.

    Point a worker at it with LOGSTV_IRC_URL=irc://127.0.0.1:6667. Whoever connects with a NICK that does not begin with
    justinfan can say something in it: PRIVMSG #demo :hello
    """
    channels = ingest_settings(channel).channels or DEMO_CHANNELS
    run_until_stopped(_serve(DemoChat(seed, channels, rate), host, port))


async def _serve(chat: DemoChat, host: str, port: int) -> None:
    try:
        async with DemoChatServer(chat, host, port) as server:
            typer.echo(f"The demo chat is on irc://{host}:{server.port}, channels {', '.join(chat.channels)}.")
            await asyncio.Event().wait()
    except OSError as error:
        raise CommandError(
            f"port {port} on {host} cannot be had ({error.strerror}): choose another with --port"
        ) from error
