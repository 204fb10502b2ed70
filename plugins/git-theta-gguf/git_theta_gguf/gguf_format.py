"""The format: where the tensors of a GGUF file lie, what its metadata say, and files around others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256

from git_theta.errors import FormatError
from git_theta.formats.base import Fact, Format, Part, Scalar, Source, Span, Template
from git_theta.formats.layout import validate_spans
from git_theta.formats.template import TemplateSource, digest_runs, matches_template

from git_theta_gguf.gguf_header import ALIGNMENT_KEY, MAGIC, GgufHeader, GgufValue, read_header
from git_theta_gguf.gguf_metadata import read_value
from git_theta_gguf.gguf_writer import place_tensors, write_header

_LONGEST_PLAIN = 4096
"""Bytes of a plain value: longer arrays may be weights that somebody put there."""
_SHOWN = 60
_HOLES = "bytes between the tensors"


class GgufFormat(Format):
    """Reads ``.gguf`` files of versions 2 and 3."""

    name = "gguf"
    api = 1

    def matches(self, head: bytes, path: str) -> bool:  # noqa: ARG002
        """The magic bytes."""
        return head.startswith(MAGIC)

    def spans(self, source: Source) -> list[Span]:
        """The tensors that the header lists. Raises FormatError where it is damaged, hostile, or of another kind."""
        header = read_header(source)
        start = header.data_start
        for tensor in header.tensors:
            if tensor.offset % header.alignment:
                raise FormatError(f"a tensor's place is no multiple of {header.alignment}", parameter=tensor.name)
        found = [Span(name, spec, start + offset, spec.nbytes) for name, spec, offset in header.tensors]
        return list(validate_spans(found, source.size))

    def build(self, parts: Sequence[Part], like: Template) -> list[bytes]:
        """A header like the template's, with its metadata as they are written there, and tensors without holes.

        Raises FormatError for parts that no GGUF file can hold.
        """
        if matches_template(parts, like):
            return list(like.runs)
        source = TemplateSource(like)
        header = read_header(source)
        values = [_read_whole(source, value) for value in header.values.values()]
        tensors = place_tensors(parts, header.alignment)
        runs = [_pad(write_header(header.version, values, tensors), header.alignment)]
        return [*runs, *(bytes(-part.spec.nbytes % header.alignment) for part in parts)]

    def metadata(self, like: Template) -> Iterator[tuple[str, Scalar]]:
        """What the header says under its keys."""
        source = TemplateSource(like)
        for key, value in read_header(source).values.items():
            yield key, read_value(source, value)

    def read_facts(self, like: Template) -> dict[str, Fact]:
        """The metadata by key, and bytes that are neither the header's nor a tensor's, where they are not zeros."""
        source = TemplateSource(like)
        header = read_header(source)
        found = {key: _read_fact(source, value) for key, value in header.values.items()}
        holes = [like.runs[0][header.stop :], *like.runs[1:]]
        if any(hole.strip(b"\0") for hole in holes):
            found[_HOLES] = Fact(digest_runs(holes), f"{sum(map(len, holes))} bytes", plain=False)
        return found

    def take_facts(self, like: Template, sources: Mapping[str, Template]) -> Template:
        """The header with other metadata; what follows it stands as it stood, behind another header.

        Raises FormatError for what is no metadata, and for the alignment, which the places of tensors follow.
        """
        source = TemplateSource(like)
        header = read_header(source)
        values = {key: _read_whole(source, value) for key, value in header.values.items()}
        for key, other in sources.items():
            theirs = read_header(TemplateSource(other)).values.get(key)
            if key == ALIGNMENT_KEY or (theirs is None and key not in values):
                raise FormatError(f"{key} can only be taken from one side whole")
            if theirs is None:
                del values[key]
            else:
                values[key] = _read_whole(TemplateSource(other), theirs)
        return _exchange_header(like, header, write_header(header.version, [*values.values()], header.tensors))


def _exchange_header(like: Template, header: GgufHeader, written: bytes) -> Template:
    """The template behind another header of the same tensors."""
    if not like.spans:
        return Template((written + like.runs[0][header.stop :],), ())
    written = _pad(written, header.alignment)
    moved = len(written) - header.data_start
    spans = tuple([span._replace(offset=span.offset + moved) for span in like.spans])
    return Template((written + like.runs[0][header.data_start :], *like.runs[1:]), spans)


def _read_whole(source: Source, value: GgufValue) -> bytes:
    """A value as it stands in the file, key and type included."""
    return source.read(value.key_start, value.stop - value.key_start)


def _read_fact(source: Source, value: GgufValue) -> Fact:
    plain = value.stop - value.start <= _LONGEST_PLAIN
    content = bytes([value.type]) + source.read(value.start, value.stop - value.start)
    text = str(read_value(source, value))
    shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 4]} ..."
    return Fact(content if plain else sha256(content).digest(), shown, plain)


def _pad(content: bytes, alignment: int) -> bytes:
    return content + bytes(-len(content) % alignment)
