"""Number of messages in a protobuf file, counted before they are parsed.

An empty node takes two bytes in a file, but 150 in memory, so the number is limited first. Source: "Encoding", protobuf.dev.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from refconv.onnx.reading.errors import InvalidModelError

__all__ = ["MAX_MESSAGES", "check_messages"]

MAX_MESSAGES = 500_000  # nodes, attributes, tensors, sizes and others; a graph of 50,000 nodes has about 300,000
VARINT, FIXED64, BYTES, START_GROUP, END_GROUP, FIXED32 = range(6)  # kinds of fields
WIDTHS = {FIXED64: 8, FIXED32: 4}  # bytes


def check_messages(data: bytes, descriptor: Any, limit: int = MAX_MESSAGES) -> None:
    """Raise :class:`InvalidModelError` if data contain more messages than a limit.

    The fields are visited in the order in which protobuf parses them, up to the first damaged one, where protobuf also stops.

    Parameters
    ----------
    data : bytes
    descriptor : Descriptor
        Protobuf's descriptor of the outermost message.
    limit : int
    """
    for count, _ in enumerate(_messages(data, descriptor), start=1):
        if count > limit:
            raise InvalidModelError(f"the file must contain at most {limit} nodes, attributes and other messages, got more")


def _messages(data: bytes, descriptor: Any) -> Iterator[Any]:
    """Yield the type of each message inside data."""
    fields = _Fields()
    around = [(len(data), descriptor)]  # the messages around the position, with their ends
    position = 0
    while around:
        end, outer = around[-1]
        if position >= end:
            around.pop()
            continue
        tag, position = _varint(data, position)
        kind = tag & 7
        if kind == VARINT:
            _, position = _varint(data, position)
        elif kind in WIDTHS:
            position += WIDTHS[kind]
        elif kind == START_GROUP:  # of an obsolete form, whose fields are ignored
            around.append((end, None))
        elif kind == END_GROUP and outer is None:
            around.pop()
        elif kind == BYTES:
            length, position = _varint(data, position)
            if position + length > end:
                return
            inner = fields.message(outer, tag >> 3)
            if inner is None:
                position += length
            else:
                yield inner
                around.append((position + length, inner))
        else:
            return


class _Fields:
    """Types of the fields that are messages, by number, for each type around them."""

    def __init__(self) -> None:
        self._known: dict[str, dict[int, Any]] = {}

    def message(self, outer: Any, number: int) -> Any:
        if outer is None:
            return None
        if outer.full_name not in self._known:
            self._known[outer.full_name] = {
                field.number: field.message_type for field in outer.fields if field.message_type is not None
            }
        return self._known[outer.full_name].get(number)


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Return a number of variable length and the position after it.

    A truncated number ends with the data.
    """
    number = shift = 0
    while position < len(data) and shift < 70:
        byte = data[position]
        position += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, position
        shift += 7
    return number, len(data)
