"""Protocol buffers by their places in a file: fields are passed by, not copied, and nothing is believed of lengths.

Source: https://protobuf.dev/programming-guides/encoding/. The library does not serve: it holds whole messages,
of 2 GiB at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from git_theta.errors import FormatError
from git_theta.formats.base import Source

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""The wire types. Groups (3 and 4) are of a time before ONNX."""
_FIXED_SIZES = {FIXED64: 8, FIXED32: 4}
_LONGEST_VARINT = 10
_MAX_TAG = 1 << 32
_MAX_FIELDS = 4_000_000
"""Fields of a file that are read, at about 3 microseconds each. A graph of 100,000 nodes has 2 million."""
_SMALLEST_WINDOW, _LARGEST_WINDOW = 1 << 12, 1 << 16
_LONGEST_TEXT = 4096


class ProtobufField(NamedTuple):
    """A field of a message: its number and wire type, and where it is in the file.

    Attributes:
        start: offset of its tag.
        offset: offset of what it holds.
        size: bytes of what it holds.
        value: the number, unsigned, where it is a varint.
    """

    number: int
    wire: int
    start: int
    offset: int
    size: int
    value: int = 0

    @property
    def end(self) -> int:
        """Offset of the byte after it."""
        return self.offset + self.size


class ProtobufReader:
    """Reads the fields of the messages of one file, as many as ``_MAX_FIELDS`` in all."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._window = b""
        self._start = 0
        self._reach = _SMALLEST_WINDOW
        self._fields = 0

    def read_fields(self, start: int, end: int) -> Iterator[ProtobufField]:
        """The fields of the message that is all of ``start`` to ``end``. Raises FormatError where it is damaged."""
        at = start
        while at < end:
            self._fields += 1
            if self._fields > _MAX_FIELDS:
                raise FormatError(f"a model of over {_MAX_FIELDS} fields is not read")
            field = self._read_field(at, end)
            yield field
            at = field.end

    def read_varints(self, field: ProtobufField) -> Iterator[int]:
        """The numbers of a packed field."""
        at = field.offset
        while at < field.end:
            value, at = self._read_varint(at, field.end)
            yield value

    def read_text(self, field: ProtobufField) -> str:
        """A field's text. Raises FormatError where it is none, or over 4,096 bytes."""
        if field.size > _LONGEST_TEXT:
            raise FormatError(f"a name of {field.size} bytes is not read")
        try:
            return self._require(field.offset, field.size).decode()
        except UnicodeDecodeError as error:
            raise FormatError("a name is not UTF-8") from error

    def _read_field(self, at: int, end: int) -> ProtobufField:
        tag, offset = self._read_varint(at, end)
        number, wire = tag >> 3, tag & 7
        if not number or tag >= _MAX_TAG:
            raise FormatError(f"a message has no field where one should be, at byte {at}")
        if wire == VARINT:
            value, after = self._read_varint(offset, end)
            return ProtobufField(number, wire, at, offset, after - offset, value)
        if wire == BYTES:
            size, offset = self._read_varint(offset, end)
        elif wire in _FIXED_SIZES:
            size = _FIXED_SIZES[wire]
        else:
            raise FormatError(f"a message has a field of an unknown kind, at byte {at}")
        if size > end - offset:
            raise FormatError(f"a field claims {size} bytes where {end - offset} are left, at byte {at}")
        return ProtobufField(number, wire, at, offset, size)

    def _read_varint(self, at: int, end: int) -> tuple[int, int]:
        """A number, and where it ends."""
        index = at - self._start
        if 0 <= index < len(self._window) and at < end and (byte := self._window[index]) < 0x80:  # the usual one
            return byte, at + 1
        if index < 0 or index + _LONGEST_VARINT > len(self._window):
            self._move_window(at)
            index = at - self._start
        window, value, shift = self._window, 0, 0
        limit = min(index + _LONGEST_VARINT, len(window), index + end - at)
        while index < limit:
            byte = window[index]
            index += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFFFFFFFFFFFFFF, self._start + index
            shift += 7
        raise FormatError(f"a number is cut off or too long, at byte {at}")

    def _require(self, at: int, size: int) -> bytes:
        if at < self._start or at + size > self._start + len(self._window):
            self._move_window(at)
        index = at - self._start
        return self._window[index : index + size]

    def _move_window(self, at: int) -> None:
        """Have the window begin here: small after a jump over a tensor, larger where fields follow each other."""
        near = self._start <= at <= self._start + len(self._window)
        self._reach = min(self._reach * 2, _LARGEST_WINDOW) if near else _SMALLEST_WINDOW
        self._start = at
        self._window = self._source.read(at, max(0, min(self._reach, self._source.size - at)))
