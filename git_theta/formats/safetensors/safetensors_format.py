"""The safetensors format: an 8-byte little-endian length, a JSON header of that length, and the tensors' bytes.

Source: https://github.com/huggingface/safetensors, README "Format" and ``safetensors/src/tensor.rs`` (0.8). Where that
library is lenient so are we: any alignment, holes between tensors, spaces after the header, extra keys. Duplicate keys
are refused: which of the two counts differs between readers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import starmap

from git_theta.errors import FormatError
from git_theta.formats.base import Fact, Format, Part, Scalar, Source, Span, Template
from git_theta.formats.file_names import has_suffix
from git_theta.formats.layout import MAX_NAMES, require_shape, validate_spans
from git_theta.formats.safetensors.header_metadata import (
    SHOWN,
    describe_metadata,
    find_metadata,
    parse_metadata,
    replace_metadata,
    skip_metadata,
)
from git_theta.formats.safetensors.header_reader import HEADER_LIMIT, LENGTH_BYTES, HeaderReader, read_header_text
from git_theta.formats.safetensors.safetensors_header import build_header, frame_header, spell_json
from git_theta.formats.template import TemplateSource, digest_runs, matches_template
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec

_KNOWN_KEYS = ("dtype", "shape", "data_offsets")


class SafetensorsFormat(Format):
    """Reads ``.safetensors`` files."""

    name = "safetensors"

    def matches(self, head: bytes, path: str) -> bool:
        """A brace after a plausible length; a file *called* safetensors may claim any, to be told what is wrong."""
        plausible = int.from_bytes(head[:LENGTH_BYTES], "little") <= HEADER_LIMIT or has_suffix(path, ".safetensors")
        return plausible and head[LENGTH_BYTES : LENGTH_BYTES + 1] == b"{"

    def spans(self, source: Source) -> list[Span]:
        """The tensors that the header lists. Raises FormatError where the header is damaged, hostile or over 16 MiB."""
        text, data = read_header_text(source)
        return list(validate_spans(_read_spans(HeaderReader(text), data), source.size))

    def build(self, parts: Sequence[Part], like: Template) -> list[bytes]:
        """A header like the template's, with its ``__metadata__`` as it is written there, and data without holes."""
        if matches_template(parts, like):
            return list(like.runs)
        text, _ = read_header_text(TemplateSource(like))
        header = build_header(parts, *_read_inherited(HeaderReader(text), {part.name for part in parts}))
        return [header, *(b"" for _ in parts)]

    def metadata(self, like: Template) -> Iterator[tuple[str, Scalar]]:
        """What ``__metadata__`` says."""
        header = HeaderReader(read_header_text(TemplateSource(like))[0])
        for name in header.read_keys():
            if name == "__metadata__" and header.peek() == "{":
                yield from ((key, str(header.read_value())) for key in header.read_keys())
            else:
                header.read_value()

    def read_facts(self, like: Template) -> dict[str, Fact]:
        """``__metadata__`` by key, keys of entries that the format does not know, and bytes that are no tensor's."""
        text, data = read_header_text(TemplateSource(like))
        header = HeaderReader(text)
        found: dict[str, Fact] = {}
        for name in header.read_keys():
            if name == "__metadata__":
                found |= starmap(describe_metadata, parse_metadata(header).items())
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
        text, data = read_header_text(TemplateSource(like))
        metadata = find_metadata(like)
        for key, source in sources.items():
            theirs = find_metadata(source)
            if key not in theirs and key not in metadata:
                raise FormatError(f"{key} is no metadata")
            metadata = {**metadata, key: theirs[key]} if key in theirs else _without(metadata, key)
        header = frame_header(replace_metadata(text, spell_json(metadata)))
        moved = tuple([span._replace(offset=span.offset + len(header) - data) for span in like.spans])
        return Template((header + like.runs[0][data:], *like.runs[1:]), moved)


def _entry_facts(name: str, entry: object) -> dict[str, Fact]:
    """What an entry says beyond dtype, shape and place."""
    rest = {key: value for key, value in entry.items() if key not in _KNOWN_KEYS} if isinstance(entry, dict) else {}
    content = json.dumps(rest, sort_keys=True)
    return {f"{name} (tensor)": Fact(content.encode(), content[:SHOWN], tensor=name)} if rest else {}


def _without(metadata: dict[str, str], left_out: str) -> dict[str, str]:
    return {key: value for key, value in metadata.items() if key != left_out}


def _run_places(like: Template) -> Iterator[tuple[bytes, int]]:
    """The runs, each with its offset in the file."""
    at = 0
    for run, span in zip(like.runs, (*like.spans, None), strict=True):
        yield run, at
        at += len(run) + (span.size if span else 0)


def _read_spans(header: HeaderReader, data: int) -> Iterator[Span]:
    for count, name in enumerate(header.read_keys()):
        if count > MAX_NAMES:
            raise FormatError(f"more than {MAX_NAMES} tensors")
        if name == "__metadata__":
            skip_metadata(header)
        else:
            yield _parse_span(name, header.read_value(), data)
    if header.peek():
        raise FormatError("something follows the header's JSON object")


def _read_inherited(header: HeaderReader, names: set[str]) -> tuple[str | None, dict[str, dict[str, object]]]:
    """What a new header takes over: the text of the metadata, and the entries of ``names``."""
    metadata = None
    entries: dict[str, dict[str, object]] = {}
    for name in header.read_keys():
        if name == "__metadata__":
            metadata = header.capture_text(skip_metadata)
        else:
            entry = header.read_value()
            if name in names and isinstance(entry, dict):
                entries[name] = entry
    return metadata, entries


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
