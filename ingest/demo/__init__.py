"""A chat for machines without Twitch: made up, seeded, and served over the same IRC."""

from ingest.demo.chat import DemoChat
from ingest.demo.server import DemoChatServer, Faults

__all__ = ["DemoChat", "DemoChatServer", "Faults"]
