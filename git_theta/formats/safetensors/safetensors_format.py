"""The safetensors format: an 8-byte little-endian length, a JSON header of that length, and the tensors' bytes.

Source: https://github.com/huggingface/safetensors, README "Format" and ``safetensors/src/tensor.rs`` (0.8). Where that
library is lenient so are we: any alignment, holes between tensors, spaces after the header, extra keys. Duplicate keys
are refused: which of the two counts differs between readers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import starmap
from typing import NoReturn

from git_theta.errors import FormatError
from git_theta.formats.base import Fact, Format, Part, Scalar, Source, Span, Template
from git_theta.formats.file_names import has_suffix
from git_theta.formats.layout import MAX_NAMES, require_shape, validate_spans
from git_theta.formats.safetensors.safetensors_header import build_header, frame_header, spell_json
from git_theta.formats.template import TemplateSource, digest_runs, matches_template
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec

_LENGTH_BYTES = 8
_HEADER_LIMIT = 16 << 20
_ENTRY_LIMIT = 8 << 10
_KNOWN_KEYS = ("dtype", "shape", "data_offsets")
_LONGEST_VALUE = 4096
"""Characters of metadata that are a plain value: a longer text may be weights that somebody spelled."""
_SHOWN = 60
_SPACE = re.compile(r"[ \t\n\r]*")


class SafetensorsFormat(Format):
    """Reads ``.safetensors`` files."""

    name = "safetensors"

    def matches(self, head: bytes, path: str) -> bool:
        """A brace after a plausible length; a file *called* safetensors may claim any, to be told what is wrong."""
        plausible = int.from_bytes(head[:_LENGTH_BYTES], "little") <= _HEADER_LIMIT or has_suffix(path, ".safetensors")
        return plausible and head[_LENGTH_BYTES : _LENGTH_BYTES + 1] == b"{"

    def spans(self, source: Source) -> list[Span]:
        """The tensors that the header lists. Raises FormatError where the header is damaged, hostile or over 16 MiB."""
        text, data = _read_header_text(source)
        return list(validate_spans(_read_spans(_HeaderReader(text), data), source.size))

    def build(self, parts: Sequence[Part], like: Template) -> list[bytes]:
        """A header like the template's, with its ``__metadata__`` as it is written there, and data without holes."""
        if matches_template(parts, like):
            return list(like.runs)
        text, _ = _read_header_text(TemplateSource(like))
        header = build_header(parts, *_read_inherited(_HeaderReader(text), {part.name for part in parts}))
        return [header, *(b"" for _ in parts)]

    def metadata(self, like: Template) -> Iterator[tuple[str, Scalar]]:
        """What ``__metadata__`` says."""
        header = _HeaderReader(_read_header_text(TemplateSource(like))[0])
        for name in header.read_keys():
            if name == "__metadata__" and header.peek() == "{":
                yield from ((key, str(header.read_value())) for key in header.read_keys())
            else:
                header.read_value()

    def read_facts(self, like: Template) -> dict[str, Fact]:
        """``__metadata__`` by key, keys of entries that the format does not know, and bytes that are no tensor's."""
        text, data = _read_header_text(TemplateSource(like))
        header = _HeaderReader(text)
        found: dict[str, Fact] = {}
        for name in header.read_keys():
            if name == "__metadata__":
                found |= starmap(_metadata_fact, _read_metadata(header).items())
            else:
                found |= _entry_facts(name, header.read_value())
        holes = [run[max(0, data - at) :] for run, at in _run_places(like)]
        if any(holes):
            size = sum(map(len, holes))
            found["bytes between the tensors"] = Fact(digest_runs(holes), f"{size} bytes", plain=False)
        return found

    def take_facts(self, like: Template, sources: Mapping[str, Template]) -> Template:
        """The header with another ``__metadata__``; the rest of it is as it was, to the letter.

        Raises FormatError for facts that are no metadata.
        """
        text, data = _read_header_text(TemplateSource(like))
        metadata = _metadata_of(like)
        for key, source in sources.items():
            theirs = _metadata_of(source)
            if key not in theirs and key not in metadata:
                raise FormatError(f"{key} is no metadata")
            metadata = {**metadata, key: theirs[key]} if key in theirs else _without(metadata, key)
        header = frame_header(_replace_metadata(text, spell_json(metadata)))
        moved = tuple([span._replace(offset=span.offset + len(header) - data) for span in like.spans])
        return Template((header + like.runs[0][data:], *like.runs[1:]), moved)


def _metadata_fact(key: str, value: str) -> tuple[str, Fact]:
    shown = value if len(value) <= _SHOWN else f"{value[: _SHOWN - 4]} ..."
    plain = len(value) <= _LONGEST_VALUE
    return key, Fact(
        value.encode("utf-8", "surrogatepass"), repr(shown) if plain else f"{len(value)} characters", plain
    )


def _entry_facts(name: str, entry: object) -> dict[str, Fact]:
    """What an entry says beyond dtype, shape and place."""
    rest = {key: value for key, value in entry.items() if key not in _KNOWN_KEYS} if isinstance(entry, dict) else {}
    content = json.dumps(rest, sort_keys=True)
    return {f"{name} (tensor)": Fact(content.encode(), content[:_SHOWN], tensor=name)} if rest else {}


def _read_metadata(header: _HeaderReader) -> dict[str, str]:
    """The metadata; of a key that stands twice the last value, which is what the library reads."""
    return {key: str(header.read_value()) for key in header.read_keys()}


def _metadata_of(like: Template) -> dict[str, str]:
    header = _HeaderReader(_read_header_text(TemplateSource(like))[0])
    for name in header.read_keys():
        if name == "__metadata__":
            return _read_metadata(header)
        header.read_value()
    return {}


def _without(metadata: dict[str, str], left_out: str) -> dict[str, str]:
    return {key: value for key, value in metadata.items() if key != left_out}


def _replace_metadata(text: str, metadata: str) -> str:
    """A header's text with other metadata, which it may not have had."""
    header = _HeaderReader(text)
    for name in header.read_keys():
        if name == "__metadata__":
            written = header.capture_text(_skip_metadata)
            return f"{text[: header.position - len(written)]}{metadata}{text[header.position :]}".rstrip()
        header.read_value()
    start = text.index("{") + 1
    comma = "," if text[start:].strip() != "}" else ""
    return f'{text[:start]}"__metadata__":{metadata}{comma}{text[start:]}'.rstrip()


def _run_places(like: Template) -> Iterator[tuple[bytes, int]]:
    """The runs, each with its offset in the file."""
    at = 0
    for run, span in zip(like.runs, (*like.spans, None), strict=True):
        yield run, at
        at += len(run) + (span.size if span else 0)


def _read_header_text(source: Source) -> tuple[str, int]:
    """The header's text, and where the data begins."""
    if source.size < _LENGTH_BYTES:
        raise FormatError("the file is too short for a safetensors header")
    length = int.from_bytes(source.read(0, _LENGTH_BYTES), "little")
    if length > source.size - _LENGTH_BYTES:
        raise FormatError(f"the header claims {length} bytes, more than the file has")
    if length > _HEADER_LIMIT:
        raise FormatError(f"the header claims {length} bytes; headers over {_HEADER_LIMIT} are not read")
    try:
        return source.read(_LENGTH_BYTES, length).decode(), _LENGTH_BYTES + length
    except UnicodeDecodeError as error:
        raise FormatError("the header is not UTF-8") from error


def _read_spans(header: _HeaderReader, data: int) -> Iterator[Span]:
    for count, name in enumerate(header.read_keys()):
        if count > MAX_NAMES:
            raise FormatError(f"more than {MAX_NAMES} tensors")
        if name == "__metadata__":
            _skip_metadata(header)
        else:
            yield _parse_span(name, header.read_value(), data)
    if header.peek():
        raise FormatError("something follows the header's JSON object")


def _read_inherited(header: _HeaderReader, names: set[str]) -> tuple[str | None, dict[str, dict[str, object]]]:
    """What a new header takes over: the text of the metadata, and the entries of ``names``."""
    metadata = None
    entries: dict[str, dict[str, object]] = {}
    for name in header.read_keys():
        if name == "__metadata__":
            metadata = header.capture_text(_skip_metadata)
        else:
            entry = header.read_value()
            if name in names and isinstance(entry, dict):
                entries[name] = entry
    return metadata, entries


def _skip_metadata(header: _HeaderReader) -> None:
    """Metadata is text that stays in the frame. It may be large, so it is read past and never held."""
    for key in header.read_keys():
        if not isinstance(header.read_value(), str):
            raise FormatError(f"__metadata__ maps {key!a} to something other than a string")


def _parse_span(name: str, entry: object, data: int) -> Span:
    if not isinstance(entry, dict):
        raise FormatError("a header entry is no object", parameter=name)
    spelled = entry.get("dtype")
    dtype = BY_NAME.get(spelled) if isinstance(spelled, str) else None
    if dtype is None:
        raise FormatError(f"unknown dtype {spelled!a}", parameter=name)
    spec = Spec(dtype, require_shape(entry.get("shape")))
    offsets = require_shape(entry.get("data_offsets"))
    if len(offsets) != 2:
        raise FormatError("data_offsets are not two offsets", parameter=name)
    return Span(name, spec, data + offsets[0], offsets[1] - offsets[0])


class _HeaderReader:
    """Reads a JSON object member by member.

    ``json.loads`` would build the whole header at once: 16 MiB of ``[[],[],...`` take over 300 MB. Here nothing larger
    than one string or ``_ENTRY_LIMIT`` characters is ever decoded.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._decoder = json.JSONDecoder(object_pairs_hook=_reject_duplicates, parse_constant=_reject_constant)

    def peek(self) -> str:
        """The next character that is no white space, or "" at the end."""
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at
        return self._text[self._at : self._at + 1]

    def read_keys(self) -> Iterator[str]:
        """The keys of the object that starts here; the caller reads each key's value before it asks for the next."""
        self._expect("{")
        separator = "," if self.peek() != "}" else self._expect("}")
        while separator == ",":
            key = self.read_value()
            if not isinstance(key, str):
                raise FormatError("a key in the header is no string")
            self._expect(":")
            yield key
            separator = self._expect(",}")

    def read_value(self) -> object:
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

    def capture_text(self, read: Callable[[_HeaderReader], None]) -> str:
        """The text of what ``read`` reads."""
        self.peek()
        start = self._at
        read(self)
        return self._text[start : self._at]

    @property
    def position(self) -> int:
        """How many characters were read."""
        return self._at

    def _expect(self, expected: str) -> str:
        found = self.peek()
        if not found or found not in expected:
            raise FormatError(f"the header is not valid JSON at character {self._at}")
        self._at += 1
        return found


def _reject_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    entry = dict(pairs)
    if len(entry) != len(pairs):
        raise FormatError("a header entry has the same key twice")
    return entry


def _reject_constant(constant: str) -> NoReturn:
    raise FormatError(f"the header holds {constant}, which is not JSON")
