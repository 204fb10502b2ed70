"""Flax's format (``flax.serialization.to_bytes``, ``.msgpack``): arrays in nested mappings.

Source: ``flax/serialization.py`` (0.12): extension 1 is an array, 3 a scalar of NumPy, of shape, dtype and bytes each.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256

from git_theta.errors import FormatError
from git_theta.formats.base import Fact, Format, Part, Source, Span, Template
from git_theta.formats.file_names import has_suffix
from git_theta.formats.flax.flax_reader import ARRAY, BINARY, EXTENSION, PackedItem, PackedReader, walk_values
from git_theta.formats.layout import MAX_DIMENSIONS, require_shape, validate_spans
from git_theta.formats.template import TemplateSource, matches_template
from git_theta.formats.unique_names import UniqueNames
from git_theta.tensors.dtypes import BY_TORCH
from git_theta.tensors.spec import Spec

_STARTS_OF_MAPS = tuple(bytes([first]) for first in (*range(0x81, 0x90), 0xDE, 0xDF))
_NDARRAY, _SCALAR = 1, 3
_PARTS = 3
_SHOWN = 60
_LONGEST_PLAIN = 4096


class FlaxFormat(Format):
    """Reads ``.msgpack`` files of Flax, without Flax and JAX."""

    name = "flax"

    def matches(self, head: bytes, path: str) -> bool:
        """A mapping in a file that is called so: MessagePack has no mark of its own."""
        return head.startswith(_STARTS_OF_MAPS) and has_suffix(path, ".msgpack")

    def spans(self, source: Source) -> list[Span]:
        """One span per array, called by the way to it. Raises FormatError where the file is damaged or hostile."""
        reader = PackedReader(source)
        names = UniqueNames()
        found = []
        for path, item in walk_values(reader, source.size):
            array = _read_array(reader, item) if _is_array(item) else None
            if array:
                spec, offset = array
                found.append(Span(names.claim_name(path or "array"), spec, offset, spec.nbytes))
        return list(validate_spans(found, source.size))

    def build(self, parts: Sequence[Part], like: Template) -> list[bytes]:
        """The template as it is, for the same arrays. Raises FormatError for others."""
        if not matches_template(parts, like):
            raise FormatError("Flax's files cannot be rebuilt with other arrays")
        return list(like.runs)

    def read_facts(self, like: Template) -> dict[str, Fact]:
        """All values that are no arrays, and arrays of what are no numbers, by the way to them."""
        source = TemplateSource(like)
        reader = PackedReader(source)
        found: dict[str, Fact] = {}
        for path, item in walk_values(reader, source.size):
            if not _is_array(item) or _read_array(reader, item) is None:
                key = path or "value"
                if key in found:
                    raise FormatError(f"{key!a:.200} stands twice in the file")
                found[key] = _fact_of(source.read(item.start, item.end - item.start))
        return found


def _fact_of(packed: bytes) -> Fact:
    """What a value says. Extensions and bytes may be weights that nobody can tell apart."""
    import msgpack  # for what is small: the filter does without

    plain = None
    if len(packed) <= _LONGEST_PLAIN:
        with suppress(ValueError, msgpack.UnpackException):
            plain = msgpack.unpackb(packed, strict_map_key=False)
    is_plain = packed == b"\xc0" or isinstance(plain, (str, int, float)) or plain in ({}, [])
    text = repr(plain)[:_SHOWN] if is_plain else f"{len(packed)} bytes"
    return Fact(sha256(packed).digest(), text, plain=is_plain)


def _is_array(item: PackedItem) -> bool:
    return item.kind == EXTENSION and item.code in (_NDARRAY, _SCALAR)


def _read_array(reader: PackedReader, extension: PackedItem) -> tuple[Spec, int] | None:
    """An array's spec, and where its bytes begin; None where they are no numbers, or not as many as it says."""
    outer = reader.read_item(extension.offset, extension.end)
    if outer.kind != ARRAY or outer.members != _PARTS:
        raise FormatError(f"an array at byte {extension.start} has not shape, dtype and bytes")
    dimensions, at = _read_shape(reader, reader.read_item(outer.end, extension.end), extension.end)
    named = reader.read_item(at, extension.end)
    dtype = BY_TORCH.get(reader.read_text(named))
    content = reader.read_item(named.end, extension.end)
    if content.kind != BINARY or content.end != extension.end:
        raise FormatError(f"an array at byte {extension.start} does not end with its bytes")
    if dtype is None:
        return None
    spec = Spec(dtype, require_shape(dimensions))
    return (spec, content.offset) if spec.nbytes == content.size else None


def _read_shape(reader: PackedReader, shape: PackedItem, end: int) -> tuple[list[int], int]:
    """The dimensions, and where they end."""
    if shape.kind != ARRAY or shape.members > MAX_DIMENSIONS:
        raise FormatError(f"an array's shape at byte {shape.start} is no list of at most {MAX_DIMENSIONS} integers")
    found, at = [], shape.end
    for _ in range(shape.members):
        item = reader.read_item(at, end)
        found.append(_read_unsigned(reader, item))
        at = item.end
    return found, at


def _read_unsigned(reader: PackedReader, item: PackedItem) -> int:
    first, *rest = reader.read_bytes(item.start, item.end - item.start) if item.size <= 8 else b"\xff"
    if first < 0x80 and not rest:
        return first
    if 0xCC <= first <= 0xCF:
        return int.from_bytes(bytes(rest), "big")
    raise FormatError(f"an array's shape has a dimension that is no natural number, at byte {item.start}")
