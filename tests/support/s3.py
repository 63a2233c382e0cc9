"""An S3 of our own: moto's server, spoken to over HTTP on the loopback address."""

from __future__ import annotations

import contextlib
import logging
import urllib.request
from collections.abc import Iterator

from moto.server import ThreadedMotoServer

from store.archive.settings import ArchiveSettings


class S3Server:
    """A server that takes every key until it is told to take none."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def bucket(self, name: str) -> None:
        """Make a bucket."""
        self._ask(f"/{name}", "PUT")

    def uploads(self, bucket: str) -> int:
        """Say how many uploads in parts were begun and are neither done nor given up."""
        return self._ask(f"/{bucket}?uploads").count(b"<Upload>")

    def settings(self, url: str, **more: object) -> ArchiveSettings:
        """Give the settings of an archive here."""
        return ArchiveSettings(
            **{
                "archive_url": url,
                "archive_s3_endpoint": self.endpoint,
                "archive_s3_access_key_id": "key",
                "archive_s3_secret_access_key": "secret",
            }
            | more
        )

    @contextlib.contextmanager
    def taking_no_key(self) -> Iterator[None]:
        """Know nobody while the block runs."""
        self._ask("/moto-api/reset-auth", "POST", b"0")
        try:
            yield
        finally:
            self._ask("/moto-api/reset-auth", "POST", b"inf")

    def _ask(self, path: str, method: str = "GET", body: bytes | None = None) -> bytes:
        asked = urllib.request.Request(f"{self.endpoint}{path}", body, {"content-type": "text/plain"}, method=method)
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.read()


@contextlib.contextmanager
def s3_server() -> Iterator[S3Server]:
    """Give a server on a free port."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield S3Server("http://{}:{}".format(*server.get_host_and_port()))
    finally:
        server.stop()
