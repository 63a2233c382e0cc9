from __future__ import annotations

import pytest
from pydantic import ValidationError

from ingest.errors import SourceUrlError
from ingest.irc import IrcSource
from ingest.settings import IngestSettings, channel_login


def test_twitch_over_tls_unless_said_otherwise(monkeypatch):
    monkeypatch.delenv("LOGSTV_IRC_URL", raising=False)
    source = IrcSource(IngestSettings())
    assert (source._host, source._port) == ("irc.chat.twitch.tv", 6697)
    assert source._tls is not None


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("irc://127.0.0.1:7000", ("127.0.0.1", 7000)),
        ("irc://chat.example", ("chat.example", 6667)),
        ("irc://chat.example/", ("chat.example", 6667)),
        ("irc://[::1]:7000", ("::1", 7000)),
    ],
)
def test_a_plain_address(url, where):
    source = IrcSource(IngestSettings(irc_url=url))
    assert (source._host, source._port, source._tls) == (*where, None)


@pytest.mark.parametrize(
    "url", ["", "irc.chat.twitch.tv:6697", "http://a:1", "irc://", "irc://a:port", "irc://a:99999", "irc://a:1/path"]
)
def test_an_address_that_makes_no_sense_gets_a_sentence(url):
    with pytest.raises(SourceUrlError, match="write ircs://host:port"):
        IrcSource(IngestSettings(irc_url=url))


def test_an_authority_that_is_not_there_gets_a_sentence(tmp_path):
    with pytest.raises(SourceUrlError, match="LOGSTV_IRC_CA"):
        IrcSource(IngestSettings(irc_ca=tmp_path / "none.pem"))


def test_channels_from_the_environment_in_any_form(monkeypatch):
    monkeypatch.setenv("LOGSTV_CHANNELS", "#Moonbase, demo  @Third_one,")
    assert IngestSettings().channels == ("moonbase", "demo", "third_one")


@pytest.mark.parametrize("name", ["", "two words", "ünknown", "x" * 26, "a-b"])
def test_what_is_no_channel(name):
    with pytest.raises(ValueError, match="is no channel"):
        channel_login(name)


def test_a_wrong_channel_is_refused_at_the_start(monkeypatch):
    monkeypatch.setenv("LOGSTV_CHANNELS", "fine,not-fine")
    with pytest.raises(ValidationError, match="is no channel"):
        IngestSettings()
