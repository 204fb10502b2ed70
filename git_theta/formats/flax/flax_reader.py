"""What is in a file that Flax serialized: nested mappings in MessagePack, with arrays as extensions.

Nothing is held but one value at a time, so a file of any size takes the memory of its keys. Source: the specification
of MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md); ``flax/serialization.py`` (0.12).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from git_theta.errors import FormatError
from git_theta.formats.base import Source

MAP, ARRAY, EXTENSION, BINARY, TEXT, NUMBER = "map", "array", "extension", "binary", "text", "number"
_CONSTANTS = (0xC0, 0xC2, 0xC3)
_SHORT = ((0x90, MAP, 15), (0xA0, ARRAY, 15), (0xC0, TEXT, 31))
"""First bytes below a limit: what they begin, and which of their bits are its length."""
_SIZED = {
    0xC4: (BINARY, 1), 0xC5: (BINARY, 2), 0xC6: (BINARY, 4), 0xC7: (EXTENSION, 1), 0xC8: (EXTENSION, 2),
    0xC9: (EXTENSION, 4), 0xD9: (TEXT, 1), 0xDA: (TEXT, 2), 0xDB: (TEXT, 4), 0xDC: (ARRAY, 2), 0xDD: (ARRAY, 4),
    0xDE: (MAP, 2), 0xDF: (MAP, 4),
}  # fmt: skip
"""Kinds that have a length, and how many bytes that takes."""
_NUMBERS = {0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_FIXED_EXTENSIONS = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
_MAX_ITEMS = 2_000_000
_LONGEST_TEXT = 4096
_WINDOW = 4096


class PackedItem(NamedTuple):
    """An item of MessagePack.

    Attributes:
        kind: one of those above.
        members: items of an array, pairs of a map.
        code: the type of an extension.
        offset, size: where what it holds is, in bytes.
        start: where the item begins.
    """

    kind: str
    start: int
    offset: int
    size: int = 0
    members: int = 0
    code: int = 0

    @property
    def end(self) -> int:
        """Where the next item begins, or the first one in it."""
        return self.offset + self.size


class PackedReader:
    """Reads items of one file."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._window, self._start = b"", 0
        self._items = 0

    def read_item(self, at: int, end: int) -> PackedItem:
        """The item at ``at``. Raises FormatError where none is there, or it does not end by ``end``."""
        self._items += 1
        if self._items > _MAX_ITEMS:
            raise FormatError(f"a file of over {_MAX_ITEMS} values is not read")
        item = self._parse_item(at, end)
        if item.end > end:
            raise FormatError(f"a value claims {item.size} bytes where {end - item.offset} are left, at byte {at}")
        return item

    def read_text(self, item: PackedItem) -> str:
        """A text of at most 4,096 bytes. Raises FormatError for any other item."""
        if item.kind != TEXT or item.size > _LONGEST_TEXT:
            raise FormatError(f"a key or name at byte {item.start} is no text, or too long to be read")
        try:
            return self.read_bytes(item.offset, item.size).decode()
        except UnicodeDecodeError as error:
            raise FormatError(f"a text at byte {item.start} is not UTF-8") from error

    def read_bytes(self, at: int, size: int) -> bytes:
        """A few bytes. Raises FormatError where the file ends before them."""
        if at < self._start or at + size > self._start + len(self._window):
            self._start = at
            self._window = self._source.read(at, max(size, min(_WINDOW, self._source.size - at)))
        return self._window[at - self._start : at - self._start + size]

    def _parse_item(self, at: int, end: int) -> PackedItem:
        if at >= end:
            raise FormatError(f"a value is missing at byte {at}")
        first = self.read_bytes(at, 1)[0]
        if first < 0x80 or first >= 0xE0 or first in _CONSTANTS:
            return PackedItem(NUMBER, at, at + 1)
        if first < 0xC0:
            _, kind, mask = next(short for short in _SHORT if first < short[0])
            return _place_item(kind, at, at + 1, first & mask)
        if first in _NUMBERS:
            return PackedItem(NUMBER, at, at + 1, size=_NUMBERS[first])
        if first in _FIXED_EXTENSIONS:
            return PackedItem(EXTENSION, at, at + 2, _FIXED_EXTENSIONS[first], code=self.read_bytes(at + 1, 1)[0])
        if first not in _SIZED:
            raise FormatError(f"there is no value at byte {at}")
        kind, width = _SIZED[first]
        length = int.from_bytes(self.read_bytes(at + 1, width), "big")
        if kind == EXTENSION:
            return PackedItem(kind, at, at + 2 + width, length, code=self.read_bytes(at + 1 + width, 1)[0])
        return _place_item(kind, at, at + 1 + width, length)


def _place_item(kind: str, start: int, offset: int, length: int) -> PackedItem:
    if kind in (MAP, ARRAY):
        return PackedItem(kind, start, offset, members=length)
    return PackedItem(kind, start, offset, length)


class PackedValue(NamedTuple):
    """A value in the nested mappings, that is no mapping with something in it, and the way to it."""

    path: str
    item: PackedItem


_MAX_DEPTH = 500
_LONGEST_PATH = 16 << 10


def walk_values(reader: PackedReader, size: int) -> Iterator[PackedValue]:
    """All values of a file whose outermost one is a mapping, in its order.

    Raises FormatError where it is damaged or hostile: something follows it, or it is nested over 500 deep.
    """
    stack: list[tuple[str, bool, Iterator[int]]] = []
    path, at = "", 0
    while True:
        item = reader.read_item(at, size)
        at = item.end
        if item.kind in (MAP, ARRAY) and item.members:
            if len(stack) == _MAX_DEPTH:
                raise FormatError(f"mappings are nested more than {_MAX_DEPTH} deep")
            stack.append((path, item.kind == MAP, iter(range(item.members))))
        else:
            yield PackedValue(path, item)
        while stack and (index := next(stack[-1][2], None)) is None:
            stack.pop()
        if not stack:
            break
        above, is_map, _ = stack[-1]
        label = str(index)
        if is_map:
            key = reader.read_item(at, size)
            label, at = reader.read_text(key), key.end
        path = f"{above}.{label}" if above else label
        if len(path) > _LONGEST_PATH:
            raise FormatError(f"the way to a value is over {_LONGEST_PATH} characters long")
    if at != size:
        raise FormatError("something follows the mapping: the file may be several in one")
