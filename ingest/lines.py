"""Reads lines from files that others wrote, plain, gzip or zstd: what each line is, is the caller's to know."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import zstandard

from ingest.errors import ReplayError
from ingest.wire import LineSplitter

_PIECE_BYTES = 256 * 1024
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_DAMAGE = (OSError, EOFError, zlib.error, zstandard.ZstdError)

Progress = Callable[[int], None]
"""Called with the bytes of the files that were read since the last call."""


class _Stream(Protocol):
    def read1(self, size: int = -1, /) -> bytes:
        """Give what is there."""
        ...


class LineFile:
    """A file of lines, ended by LF or CR LF.

    Args:
        path: one that begins as gzip or zstd is inflated, whatever it is called.
        progress: told of what is read.

    Attributes:
        too_long: how many lines were too long and skipped.
    """

    def __init__(self, path: Path, progress: Progress = lambda _count: None) -> None:
        self.path = path
        self.too_long = 0
        self._progress = progress

    def pieces(self) -> Iterator[list[bytes]]:
        """Yield the lines, some at a time; empty ones are left out.

        Raises:
            ReplayError: the file cannot be read, or is damaged: what was yielded before is right as far as it goes.
        """
        splitter, count = LineSplitter(), 0
        try:
            with self.path.open("rb") as raw:
                stream, at = _inflated(raw), 0
                # read1 gives what is there: of a damaged file, all that can be inflated before the damage.
                while piece := stream.read1(_PIECE_BYTES):
                    self._progress(raw.tell() - at)
                    at = raw.tell()
                    lines = splitter.split(piece)
                    count += len(lines)
                    yield lines
                yield splitter.split(b"\n")
        except _DAMAGE as error:
            raise damaged(self.path, error, count) from error
        finally:
            self.too_long += splitter.too_long

    def check(self) -> None:
        """See whether a gzip file is what was once written, by its checksums; inflating is cheap beside storing.

        Raises:
            ReplayError: it is not. One that is sound as far as it goes passes.
        """
        try:
            with self.path.open("rb") as raw:
                if raw.peek(2)[:2] == _GZIP:
                    stream = gzip.GzipFile(fileobj=raw)
                    while stream.read1(_PIECE_BYTES):
                        pass
        except EOFError:
            return
        except (OSError, zlib.error) as error:
            if isinstance(error, gzip.BadGzipFile) and "Not a gzipped file" in str(error):
                return  # something that is no gzip follows a sound file
            raise damaged(self.path, error, 0) from error


def _inflated(raw: BinaryIO) -> _Stream:
    start = raw.peek(4)[:4]  # type: ignore[attr-defined]  # what Path.open gives can do that
    if start.startswith(_GZIP):
        return gzip.GzipFile(fileobj=raw)
    if start == _ZSTD:
        return _Zstd(raw)
    return cast("_Stream", raw)


class _Zstd:
    """Inflates frames of zstd; the library's own reader takes one that ends too early for a whole one."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._begun = False
        self._rest = b""

    def read1(self, _size: int = -1, /) -> bytes:
        """Give what is there."""
        found = b""
        while not found:
            piece, self._rest = self._rest or self._raw.read(_PIECE_BYTES), b""
            if not piece:
                if self._begun:
                    raise EOFError("it ends before its zstd frame does")
                return b""
            found, self._begun = self._frame.decompress(piece), True
            if self._frame.eof:
                self._rest, self._begun = self._frame.unused_data, False
                self._frame = zstandard.ZstdDecompressor().decompressobj()
        return found


def damaged(path: Path, error: Exception, count: int) -> ReplayError:
    """Give the error for a file that cannot be read further, of which so many lines were taken."""
    why = (isinstance(error, OSError) and error.strerror) or error
    return ReplayError(f"{path} cannot be read further: {why}. {count:,} lines before that were taken")
