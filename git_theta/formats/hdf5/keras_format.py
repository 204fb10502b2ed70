"""Keras's archives (``.keras``): a zip whose weights are members in HDF5, not compressed.

Source: ``keras/src/saving/saving_lib.py`` (3.15).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256

from git_theta.errors import FormatError
from git_theta.formats.base import Derived, Fact, Format, Part, Source, Span, Template
from git_theta.formats.file_names import has_suffix
from git_theta.formats.hdf5.hdf5_datasets import read_content
from git_theta.formats.hdf5.hdf5_format import left_facts, list_spans, structure_fact
from git_theta.formats.layout import validate_spans
from git_theta.formats.nested import NestedSource
from git_theta.formats.template import TemplateSource, matches_template
from git_theta.formats.zip.zip_derived import derive_checksums
from git_theta.formats.zip.zip_directory import Member, read_directory

_ZIP = b"PK\3\4"
_NAME_SIZE_AT, _NAME_AT = 26, 30
_METADATA, _WEIGHTS = "metadata.json", "model.weights.h5"
_DATE = re.compile(rb'"date_saved": "([^"]*)"')
_LARGEST_METADATA = 64 << 10
_TIME_IN_HEADER, _TIME_IN_RECORD, _TIME_BYTES = 10, 12, 4


class KerasFormat(Format):
    """Reads ``.keras`` files, without Keras and h5py."""

    name = "keras"

    def matches(self, head: bytes, path: str) -> bool:
        """A zip that is called so, or whose first member is Keras's metadata."""
        if not head.startswith(_ZIP):
            return False
        size = int.from_bytes(head[_NAME_SIZE_AT : _NAME_SIZE_AT + 2], "little")
        starts = head[_NAME_AT : _NAME_AT + size] == _METADATA.encode()
        return (starts and b'"keras_version"' in head[:_LARGEST_METADATA]) or has_suffix(path, ".keras")

    def spans(self, source: Source) -> list[Span]:
        """The datasets of ``model.weights.h5``, as ``Hdf5Format.spans`` finds them.

        Raises FormatError where the archive, or that member, is damaged, hostile or compressed.
        """
        member = _find_weights(read_directory(source))
        found = list_spans(read_content(NestedSource(source, member.offset, member.size)))
        return list(validate_spans([span._replace(offset=member.offset + span.offset) for span in found], source.size))

    def build(self, parts: Sequence[Part], like: Template) -> list[bytes]:
        """The template as it is, for the same datasets. Raises FormatError for others."""
        if not matches_template(parts, like):
            raise FormatError("Keras archives cannot be rebuilt with other variables: their HDF5 says where each lies")
        return list(like.runs)

    def find_derived(self, like: Template) -> Iterator[Derived]:
        """CRCs, and when it was saved: in the archive's directory and in the metadata."""
        source = TemplateSource(like)
        members = read_directory(source)
        yield from derive_checksums(like, members)
        for member in members.values():
            yield Derived(member.header_offset + _TIME_IN_HEADER, _TIME_BYTES)
            yield Derived(member.record_offset + _TIME_IN_RECORD, _TIME_BYTES)
        yield from (Derived(*place) for place in _find_date(source, members))

    def read_facts(self, like: Template) -> dict[str, Fact]:
        """Each other member, the metadata without the date; and what of the weights' member is no dataset."""
        source = TemplateSource(like)
        members = read_directory(source)
        found: dict[str, Fact] = {}
        for name, member in members.items():
            if name == _WEIGHTS:
                found |= left_facts(read_content(NestedSource(source, member.offset, member.size)))
                found[f"structure of {name}"] = structure_fact(_runs_within(source, member, like.spans))
            else:
                content = source.read(member.offset, member.size)
                content = _DATE.sub(b"", content) if name == _METADATA else content
                found[name] = Fact(sha256(content).digest(), f"{member.size} bytes", plain=name == _METADATA)
        return found


def _find_weights(members: Mapping[str, Member]) -> Member:
    member = members.get(_WEIGHTS)
    if member is None or not member.stored:
        raise FormatError(f"the archive holds no {_WEIGHTS} that is not compressed")
    return member


def _find_date(source: Source, members: Mapping[str, Member]) -> Iterator[tuple[int, int]]:
    """Offset and size of the time at which the archive was saved."""
    member = members.get(_METADATA)
    if member and member.stored and member.size <= _LARGEST_METADATA:
        found = _DATE.search(source.read(member.offset, member.size))
        if found:
            yield member.offset + found.start(1), found.end(1) - found.start(1)


def _runs_within(source: Source, member: Member, spans: Iterable[Span]) -> Iterator[bytes]:
    """The bytes of a member before, between and after the tensors in it."""
    at, end = member.offset, member.offset + member.size
    for span in spans:
        if at <= span.offset and span.offset + span.size <= end:
            yield source.read(at, span.offset - at)
            at = span.offset + span.size
    yield source.read(at, end - at)
