"""Checkpoints of ``torch.distributed`` (``.distcp``): archives of torch, one after the other, one for each tensor.

What each of them is called, and which part of a larger tensor it is, stands in another file, ``.metadata``. A format
looks at one file, so tensors are called by their places. Source: ``torch/distributed/checkpoint/filesystem.py`` (2.13).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from git_theta.errors import FormatError
from git_theta.formats.base import Derived, Format, Part, Source, Span, Template
from git_theta.formats.file_names import has_suffix
from git_theta.formats.layout import MAX_NAMES, validate_spans
from git_theta.formats.nested import NestedSource, cut_templates
from git_theta.formats.template import TemplateSource, matches_template
from git_theta.formats.torch.torch_format import TorchZipFormat
from git_theta.formats.zip.zip_ends import find_archive_start

_TORCH = TorchZipFormat()
_ROOT = "tensor"
"""What ``TorchZipFormat`` calls a tensor that was saved by itself."""


class DistcpFormat(Format):
    """Reads ``.distcp`` files, without torch.

    Merges take such a file from one side: the same place need not be the same tensor at two versions.
    """

    name = "distcp"

    def matches(self, head: bytes, path: str) -> bool:
        """A zip that is called so: each archive by itself is like any other of torch's."""
        return head.startswith(b"PK\3\4") and has_suffix(path, ".distcp")

    def spans(self, source: Source) -> list[Span]:
        """The tensors of each archive, as ``TorchZipFormat.spans`` finds them: ``#0``; in what is no tensor ``#1.KEY``.

        Raises FormatError where bytes belong to no archive, one of them is damaged, or there is no tensor.
        """
        spans: list[Span] = []
        for number, place in enumerate(_find_archives(source)):
            inner = _TORCH.spans(NestedSource(source, *place))
            spans += [_move_span(span, place.offset, f"#{number}") for span in inner]
        if not spans:
            raise FormatError("none of the archives holds a tensor")
        return list(validate_spans(spans, source.size))

    def build(self, parts: Sequence[Part], like: Template) -> list[bytes]:
        """The template as it is, for the same tensors. Raises FormatError for others: ``.metadata`` tells of those."""
        if not matches_template(parts, like):
            raise FormatError("files of torch.distributed cannot be rebuilt with other parameters")
        return list(like.runs)

    def find_derived(self, like: Template) -> Iterator[Derived]:
        """What torch derives within each archive."""
        places = _find_archives(TemplateSource(like))
        for place, inner in zip(places, cut_templates(like, places), strict=True):
            for derived in _TORCH.find_derived(inner):
                yield derived._replace(offset=place.offset + derived.offset)


class _ArchivePlace(NamedTuple):
    """Where an archive lies in the file."""

    offset: int
    size: int


def _find_archives(source: Source) -> list[_ArchivePlace]:
    """The archives in their order: found from the end, where each says how long it is."""
    found: list[_ArchivePlace] = []
    end = source.size
    while end:
        start = find_archive_start(source, end)
        if start >= end or len(found) >= MAX_NAMES:
            raise FormatError("the file holds more archives than are read")
        found.append(_ArchivePlace(start, end - start))
        end = start
    return found[::-1]


def _move_span(span: Span, offset: int, top: str) -> Span:
    views = tuple([view._replace(name=_place_name(top, view.name)) for view in span.views])
    return span._replace(name=_place_name(top, span.name), offset=offset + span.offset, views=views)


def _place_name(top: str, name: str) -> str:
    return top if name == _ROOT else f"{top}.{name}"
