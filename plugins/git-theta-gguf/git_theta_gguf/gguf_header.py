"""The header of a GGUF file: metadata, and what is said of each tensor. Versions 2 and 3, little-endian.

Source: ``struct gguf_header_t`` and ``struct gguf_tensor_info_t`` of the specification
(https://github.com/ggml-org/ggml/blob/master/docs/gguf.md). Version 2 has the same layout as 3, which brought
big-endian files. Values are passed over here and read where somebody asks for them: a vocabulary of 150,000 tokens
costs nothing but its lengths.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from git_theta.errors import FormatError
from git_theta.formats.base import Source
from git_theta.formats.layout import MAX_DIMENSIONS, MAX_NAMES, require_shape
from git_theta.tensors.spec import Spec

from git_theta_gguf.gguf_cursor import HeaderCursor
from git_theta_gguf.gguf_types import DTYPES, PACKED, ValueType

MAGIC = b"GGUF"
ALIGNMENT_KEY = "general.alignment"
_DEFAULT_ALIGNMENT = 32
_LONGEST_NAME = (1 << 16) - 1
_MOST_KEYS = 1 << 16
"""Real files have up to a few hundred."""
_MOST_NESTED = 1 << 12
_DEEPEST = 4
"""Arrays within arrays: the specification allows them, ggml loads none, and each takes our time for 12 bytes."""
_LARGEST_ALIGNMENT = 1 << 16
_WIDTHS = {kind: struct.calcsize(f"<{code}") for kind, code in PACKED.items()}


class GgufValue(NamedTuple):
    """Where a value of the metadata stands: from the start of its key to the end of the value; its type, its bytes."""

    key_start: int
    type: ValueType
    start: int
    stop: int


class GgufTensor(NamedTuple):
    """What the header says of a tensor; ``offset`` counts from where the data begins."""

    name: str
    spec: Spec
    offset: int


class GgufHeader(NamedTuple):
    """A header.

    Attributes:
        version: of the format.
        values: the metadata, by key, in the file's order.
        tensors: in the file's order.
        stop: where the header ends.
        alignment: what places of data are multiples of.
    """

    version: int
    values: dict[str, GgufValue]
    tensors: list[GgufTensor]
    stop: int
    alignment: int

    @property
    def data_start(self) -> int:
        """Where the data of tensors begins."""
        return align_up(self.stop, self.alignment)


def align_up(place: int, alignment: int) -> int:
    """The next multiple of the alignment."""
    return -(-place // alignment) * alignment


def read_header(source: Source) -> GgufHeader:
    """The header of a file. Raises FormatError where it is damaged, hostile, big-endian, or of another version."""
    cursor = HeaderCursor(source)
    if cursor.take(4) != MAGIC:
        raise FormatError("the file does not begin with GGUF")
    version = _read_version(cursor)
    tensors, keys = cursor.take_number(8), cursor.take_number(8)
    if tensors > MAX_NAMES:
        raise FormatError(f"the header claims {tensors:,} tensors; more than {MAX_NAMES:,} are not read")
    if keys > _MOST_KEYS:
        raise FormatError(f"the header claims {keys:,} keys; more than {_MOST_KEYS:,} are not read")
    values = _read_values(cursor, keys)
    infos = [_read_tensor(cursor) for _ in range(tensors)]
    return GgufHeader(version, values, infos, cursor.position, _read_alignment(source, values))


def _read_version(cursor: HeaderCursor) -> int:
    version = cursor.take(4)
    if version[:2] == b"\0\0" != version[2:]:
        raise FormatError("the file is big-endian; only little-endian files are read")
    number = int.from_bytes(version, "little")
    if number not in (2, 3):
        raise FormatError(f"the file has version {number} of the format; 2 and 3 are read")
    return number


def _read_values(cursor: HeaderCursor, count: int) -> dict[str, GgufValue]:
    values: dict[str, GgufValue] = {}
    nested = iter(range(_MOST_NESTED))
    for _ in range(count):
        key_start = cursor.position
        key = _read_name(cursor, "a key")
        kind = _read_type(cursor)
        start = cursor.position
        _skip_value(cursor, kind, nested)
        if key in values:
            raise FormatError(f"two values have the same key: {key!a}")
        values[key] = GgufValue(key_start, kind, start, cursor.position)
    return values


def _read_name(cursor: HeaderCursor, what: str) -> str:
    length = cursor.take_number(8)
    if length > _LONGEST_NAME:
        raise FormatError(f"{what} claims {length:,} bytes; more than {_LONGEST_NAME:,} are not read")
    try:
        return cursor.take(length).decode()
    except UnicodeDecodeError as error:
        raise FormatError(f"{what} is not UTF-8") from error


def _read_type(cursor: HeaderCursor) -> ValueType:
    number = cursor.take_number(4)
    try:
        return ValueType(number)
    except ValueError as error:
        raise FormatError(f"a value has the type {number}, which is unknown") from error


def _skip_value(cursor: HeaderCursor, kind: ValueType, nested: Iterator[int]) -> None:
    if kind is ValueType.STRING:
        cursor.skip(cursor.take_number(8))
    elif kind is ValueType.ARRAY:
        _skip_array(cursor, nested, 0)
    else:
        cursor.skip(_WIDTHS[kind])


def _skip_array(cursor: HeaderCursor, nested: Iterator[int], depth: int) -> None:
    """Pass over an array. ``nested``: an item for each array within another that a file may have."""
    kind, count = _read_type(cursor), cursor.take_number(8)
    if kind is ValueType.STRING:
        cursor.skip_strings(count)
    elif kind is not ValueType.ARRAY:
        cursor.skip(count * _WIDTHS[kind])
    else:
        for _ in range(count):
            if depth == _DEEPEST or next(nested, None) is None:
                raise FormatError(f"more than {_MOST_NESTED:,} arrays within arrays, or {_DEEPEST} in one another")
            _skip_array(cursor, nested, depth + 1)


def _read_tensor(cursor: HeaderCursor) -> GgufTensor:
    name = _read_name(cursor, "the name of a tensor")
    dimensions = cursor.take_number(4)
    if dimensions > MAX_DIMENSIONS:
        raise FormatError(f"a tensor claims {dimensions:,} dimensions", parameter=name)
    # The first dimension is the one whose elements lie side by side: arrays have it last.
    shape = require_shape(struct.unpack(f"<{dimensions}Q", cursor.take(8 * dimensions))[::-1])
    number, offset = cursor.take_number(4), cursor.take_number(8)
    if number not in DTYPES:
        raise FormatError(f"a tensor has the type {number}, which is unknown", parameter=name)
    spec = Spec(DTYPES[number], shape)
    require_whole_blocks(name, spec)
    return GgufTensor(name, spec, offset)


def require_whole_blocks(name: str, spec: Spec) -> None:
    """Raise FormatError where a row of a tensor ends within a block."""
    row = spec.shape[-1] if spec.shape else 1
    if row % spec.dtype.block:
        raise FormatError(f"a row of {row} elements is no whole blocks of {spec.dtype.name}", parameter=name)


def _read_alignment(source: Source, values: dict[str, GgufValue]) -> int:
    found = values.get(ALIGNMENT_KEY)
    if found is None:
        return _DEFAULT_ALIGNMENT
    alignment = int.from_bytes(source.read(found.start, min(4, found.stop - found.start)), "little")
    if found.type is not ValueType.UINT32 or alignment.bit_count() != 1 or alignment > _LARGEST_ALIGNMENT:
        raise FormatError(f"{ALIGNMENT_KEY} is no power of two up to {_LARGEST_ALIGNMENT:,}")
    return alignment
