"""From bytes off a socket to lines: whole ones, of bounded length, whatever pieces they come in."""

from __future__ import annotations

from store.message import STORED_TYPES

LONGEST_LINE = 16 * 1024
"""Bytes: tags may take 8 KiB (https://ircv3.net/specs/extensions/message-tags#size-limit), Twitch sends more."""


class LineSplitter:
    """Gathers pieces into lines that end in CR LF or LF.

    Attributes:
        too_long: how many lines were longer than LONGEST_LINE and skipped.
    """

    def __init__(self) -> None:
        self.too_long = 0
        self._rest = b""
        self._skipping = False

    def feed(self, piece: bytes) -> list[str]:
        """Give the lines that a piece completes, without their ends; empty ones are left out."""
        return [line.decode("utf-8", "surrogateescape") for line in self.split(piece)]

    def split(self, piece: bytes) -> list[bytes]:
        """Give the same lines as they are."""
        *whole, self._rest = (self._rest + piece).split(b"\n")
        if whole and self._skipping:
            del whole[0]
            self._skipping = False
        lines = []
        for line in whole:
            if len(line) > LONGEST_LINE:
                self.too_long += 1
            elif text := line.removesuffix(b"\r"):
                lines.append(text)
        if len(self._rest) > LONGEST_LINE:
            if not self._skipping:
                self.too_long += 1
            self._skipping, self._rest = True, b""
        return lines


def command_of(line: str) -> str:
    """Give the command of a line, cheaply: nothing else of it is looked at."""
    rest = line
    if rest.startswith("@"):
        rest = rest.partition(" ")[2]
    if rest.startswith(":"):
        rest = rest.partition(" ")[2]
    return rest.partition(" ")[0]


def is_chat(command: str) -> bool:
    """Say whether lines with this command have a place in a log."""
    return command in STORED_TYPES
