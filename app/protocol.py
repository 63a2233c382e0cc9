"""uvicorn's HTTP protocol, with a bound on what a client may send before it has asked anything.

httptools takes headers of any length, and uvicorn keeps them all; its own bound is for h11 alone (0.54.0).
What fits is looked at again in `app.limits`, which answers with a problem.
"""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_BYTES = 64 * 1024
"""Bytes of a request's first line and headers."""


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection whose request does not get to its end."""

    _waiting_bytes = 0  # received since the request that is not whole yet got on
    _in_head = True
    _got_on = False

    def data_received(self, data: bytes) -> None:
        """Take what a client sent."""
        self._got_on = False
        super().data_received(data)
        if self._got_on or not self._in_head:
            self._waiting_bytes = 0
            return
        self._waiting_bytes += len(data)
        if self._waiting_bytes > MOST_BYTES and not self.transport.is_closing():
            self.send_400_response(f"The request line and headers are longer than {MOST_BYTES} bytes.")

    def on_headers_complete(self) -> None:
        """End the headers of a request."""
        self._in_head, self._got_on = False, True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request; the next one may begin."""
        self._in_head, self._got_on = True, True
        super().on_message_complete()
