from __future__ import annotations

import pytest
import structlog
from pydantic import ValidationError

from ingest.errors import TransportError
from ingest.eventsub import EventSubSource
from ingest.irc import IrcSource
from ingest.settings import IngestSettings
from ingest.transport import open_source

CREDENTIALS = {"eventsub_client_id": "app", "eventsub_client_secret": "hunter2", "eventsub_user_id": "8008"}


def test_irc_unless_said_otherwise():
    assert isinstance(open_source(IngestSettings()), IrcSource)


def test_eventsub_where_it_is_asked_for(monkeypatch):
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(f"LOGSTV_{name.upper()}", value)
    monkeypatch.setenv("LOGSTV_TRANSPORT", "eventsub")
    assert isinstance(open_source(IngestSettings()), EventSubSource)


@pytest.mark.parametrize("lacking", CREDENTIALS)
def test_eventsub_without_what_it_needs_is_refused_with_a_sentence(lacking):
    settings = IngestSettings(transport="eventsub", **{**CREDENTIALS, lacking: ""})
    with pytest.raises(TransportError, match=f"set LOGSTV_{lacking.upper()} too") as told:
        open_source(settings)
    assert "hunter2" not in str(told.value)


def test_credentials_that_are_not_used_are_said():
    with structlog.testing.capture_logs() as logged:
        assert isinstance(open_source(IngestSettings(**CREDENTIALS)), IrcSource)
    assert [entry["event"] for entry in logged] == ["eventsub.not_used"]
    assert "hunter2" not in str(logged)


def test_a_transport_that_is_none():
    with pytest.raises(ValidationError, match="'irc' or 'eventsub'"):
        IngestSettings(transport="carrier pigeon")


def test_a_user_is_named_by_id():
    with pytest.raises(ValidationError, match="ids are numbers"):
        IngestSettings(eventsub_user_id="ada_lift")
