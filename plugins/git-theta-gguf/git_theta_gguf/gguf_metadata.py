"""Values of a header's metadata, as plain values and as words."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from git_theta.formats.base import Scalar, Source

from git_theta_gguf.gguf_header import GgufValue
from git_theta_gguf.gguf_types import PACKED, ValueType

_MOST_SHOWN = 8
"""Elements of an array that is shown whole."""
_LONGEST_SHOWN = 1 << 10
"""Bytes of such an array."""


def read_value(source: Source, value: GgufValue) -> Scalar:
    """A value: a number or text as it is, a short array as its elements, a long one as how many there are of what."""
    if value.type is not ValueType.ARRAY:
        return next(_decode_elements(source.read(value.start, value.stop - value.start), value.type, 1))
    kind = ValueType(int.from_bytes(source.read(value.start, 4), "little"))
    count = int.from_bytes(source.read(value.start + 4, 8), "little")
    size = value.stop - value.start - 12
    if kind is ValueType.ARRAY or count > _MOST_SHOWN or size > _LONGEST_SHOWN:
        return f"array of {count:,} x {kind.name.lower()}"
    return str(list(_decode_elements(source.read(value.start + 12, size), kind, count)))


def _decode_elements(data: bytes, kind: ValueType, count: int) -> Iterator[Scalar]:
    if kind is not ValueType.STRING:
        yield from struct.unpack(f"<{count}{PACKED[kind]}", data)
        return
    at = 0
    for _ in range(count):
        length = int.from_bytes(data[at : at + 8], "little")
        yield data[at + 8 : at + 8 + length].decode(errors="backslashreplace")
        at += 8 + length
