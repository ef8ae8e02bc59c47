"""Reading of streams of unknown length, such as compressed files, with a limit of bytes."""

from __future__ import annotations

import io
import zipfile
from typing import Protocol

__all__ = ["ZIP_METHODS", "Readable", "read_at_most"]

BLOCK = 2**16  # bytes that are read at once; a stream may allocate all bytes of a request before it reads them

ZIP_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # of compression; zipfile cannot decompress others in small parts


class Readable(Protocol):
    """Stream of bytes, such as an open file or a decompressor."""

    def read(self, size: int, /) -> bytes: ...


def read_at_most(stream: Readable, limit: int) -> bytes:
    """Return the bytes of a stream, or ``limit + 1`` of them if there are more.

    Memory grows with the bytes that arrive, not with the limit, which may come from a damaged header.

    >>> read_at_most(io.BytesIO(b"seven"), 9), read_at_most(io.BytesIO(b"seven"), 2)
    (b'seven', b'sev')
    """
    buffer = io.BytesIO()
    while (missing := limit + 1 - buffer.tell()) > 0 and (block := stream.read(min(BLOCK, missing))):
        buffer.write(block)
    return buffer.getvalue()
