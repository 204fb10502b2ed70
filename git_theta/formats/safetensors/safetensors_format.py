"""The safetensors format: an 8-byte little-endian length, a JSON header of that length, and the tensors' bytes.

Source: https://github.com/huggingface/safetensors, README "Format" and ``safetensors/src/tensor.rs`` (0.8). Where that
library is lenient so are we: any alignment, holes between tensors, spaces after the header, extra keys. Duplicate keys
are refused: which of the two counts differs between readers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

from git_theta.errors import FormatError
from git_theta.formats.base import Format, Part, Source, Span, Template
from git_theta.formats.layout import MAX_NAMES, checked, checked_shape
from git_theta.formats.safetensors.safetensors_header import header_of
from git_theta.formats.template import TemplateSource, same_layout, verified
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec

_PREFIX = 8
_HEADER_LIMIT = 16 << 20
_ENTRY_LIMIT = 8 << 10
_SPACE = re.compile(r"[ \t\n\r]*")


class SafetensorsFormat(Format):
    """Reads ``.safetensors`` files."""

    name = "safetensors"

    def matches(self, head: bytes, path: str) -> bool:
        """A brace after a plausible length; a file *called* safetensors may claim any, to be told what is wrong."""
        plausible = int.from_bytes(head[:_PREFIX], "little") <= _HEADER_LIMIT or path.endswith(".safetensors")
        return plausible and head[_PREFIX : _PREFIX + 1] == b"{"

    def spans(self, source: Source) -> list[Span]:
        """The tensors that the header lists. Raises FormatError where the header is damaged, hostile or over 16 MiB."""
        text, data = _header(source)
        return list(checked(_spans(_Reader(text), data), source.size))

    def build(self, parts: Sequence[Part], like: Template) -> list[bytes]:
        """A header like the template's, with its ``__metadata__`` as it is written there, and data without holes."""
        if same_layout(parts, like):
            return list(like.runs)
        text, _ = _header(TemplateSource(like))
        header = header_of(parts, *_kept(_Reader(text), {part.name for part in parts}))
        return verified(self, [header, *(b"" for _ in parts)], parts)


def _header(source: Source) -> tuple[str, int]:
    """The header's text, and where the data begins."""
    if source.size < _PREFIX:
        raise FormatError("the file is too short for a safetensors header")
    length = int.from_bytes(source.read(0, _PREFIX), "little")
    if length > source.size - _PREFIX:
        raise FormatError(f"the header claims {length} bytes, more than the file has")
    if length > _HEADER_LIMIT:
        raise FormatError(f"the header claims {length} bytes; headers over {_HEADER_LIMIT} are not read")
    try:
        return source.read(_PREFIX, length).decode(), _PREFIX + length
    except UnicodeDecodeError as error:
        raise FormatError("the header is not UTF-8") from error


def _spans(header: _Reader, data: int) -> Iterator[Span]:
    for count, name in enumerate(header.members()):
        if count > MAX_NAMES:
            raise FormatError(f"more than {MAX_NAMES} tensors")
        if name == "__metadata__":
            _skip_metadata(header)
        else:
            yield _span(name, header.value(), data)
    if header.peek():
        raise FormatError("something follows the header's JSON object")


def _kept(header: _Reader, names: set[str]) -> tuple[str | None, dict[str, dict[str, object]]]:
    """What a new header takes over: the text of the metadata, and the entries of ``names``."""
    metadata = None
    entries: dict[str, dict[str, object]] = {}
    for name in header.members():
        if name == "__metadata__":
            metadata = header.text_of(_skip_metadata)
        else:
            entry = header.value()
            if name in names and isinstance(entry, dict):
                entries[name] = entry
    return metadata, entries


def _skip_metadata(header: _Reader) -> None:
    """Metadata is text that stays in the frame. It may be large, so it is read past and never held."""
    for key in header.members():
        if not isinstance(header.value(), str):
            raise FormatError(f"__metadata__ maps {key!a} to something other than a string")


def _span(name: str, entry: object, data: int) -> Span:
    if not isinstance(entry, dict):
        raise FormatError("a header entry is no object", parameter=name)
    spelled = entry.get("dtype")
    dtype = BY_NAME.get(spelled) if isinstance(spelled, str) else None
    if dtype is None:
        raise FormatError(f"unknown dtype {spelled!a}", parameter=name)
    spec = Spec(dtype, checked_shape(entry.get("shape")))
    offsets = checked_shape(entry.get("data_offsets"))
    if len(offsets) != 2:
        raise FormatError("data_offsets are not two offsets", parameter=name)
    return Span(name, spec, data + offsets[0], offsets[1] - offsets[0])


class _Reader:
    """Reads a JSON object member by member.

    ``json.loads`` would build the whole header at once: 16 MiB of ``[[],[],...`` take over 300 MB. Here nothing larger
    than one string or ``_ENTRY_LIMIT`` characters is ever decoded.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._decoder = json.JSONDecoder(object_pairs_hook=_distinct, parse_constant=_refuse)

    def peek(self) -> str:
        """The next character that is no white space, or "" at the end."""
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at
        return self._text[self._at : self._at + 1]

    def members(self) -> Iterator[str]:
        """The keys of the object that starts here; the caller reads each key's value before it asks for the next."""
        self._take("{")
        separator = "," if self.peek() != "}" else self._take("}")
        while separator == ",":
            key = self.value()
            if not isinstance(key, str):
                raise FormatError("a key in the header is no string")
            self._take(":")
            yield key
            separator = self._take(",}")

    def value(self) -> object:
        """The value that starts here: a string, or anything else of at most ``_ENTRY_LIMIT`` characters."""
        if self.peek() == '"':
            text, start = self._text, self._at  # In place: slicing would copy up to 64 MB for every key.
        else:
            text, start = self._text[self._at : self._at + _ENTRY_LIMIT], 0
        try:
            value, stop = self._decoder.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"the header is not valid JSON at character {self._at}") from error
        self._at += stop - start
        return value

    def text_of(self, read: Callable[[_Reader], None]) -> str:
        """The text of what ``read`` reads."""
        self.peek()
        start = self._at
        read(self)
        return self._text[start : self._at]

    def _take(self, expected: str) -> str:
        found = self.peek()
        if not found or found not in expected:
            raise FormatError(f"the header is not valid JSON at character {self._at}")
        self._at += 1
        return found


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    entry = dict(pairs)
    if len(entry) != len(pairs):
        raise FormatError("a header entry has the same key twice")
    return entry


def _refuse(constant: str) -> NoReturn:
    raise FormatError(f"the header holds {constant}, which is not JSON")
