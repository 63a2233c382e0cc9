"""The file in which a day is put together on its way to the archive; gone with whoever made it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

from store.errors import ArchiveUnavailable


@contextlib.contextmanager
def scratch() -> Iterator[BinaryIO]:
    """Give an empty file in the machine's folder for such, as long as the block runs.

    Also closing it writes: what is still held back comes to a full disk last of all.

    Raises:
        ArchiveUnavailable: it cannot be made, written or closed.
    """
    try:
        with tempfile.TemporaryFile(prefix="logstv-archive-") as file:
            yield file
    except OSError as error:
        raise ArchiveUnavailable(
            f"a day cannot be written to {tempfile.tempdir or 'a temporary file'} on its way to the archive: "
            f"{error.strerror or error}"
        ) from error
