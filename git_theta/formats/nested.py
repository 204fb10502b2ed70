"""Files within a file, as they are: a member of an archive, read and merged by the format that it has."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator

from git_theta.errors import FormatError
from git_theta.formats.base import Source, Template
from git_theta.formats.template import TemplateSource


class NestedSource:
    """``size`` bytes of a file, from ``offset`` on, as a file."""

    def __init__(self, source: Source, offset: int, size: int) -> None:
        self._source = source
        self._offset = offset
        self.size = size

    def read(self, offset: int, size: int) -> bytes:
        """As ``formats.base.Source`` says."""
        if offset < 0 or size < 0 or offset + size > self.size:
            raise FormatError("the file ends before that")
        return self._source.read(self._offset + offset, size)


def cut_templates(like: Template, places: Iterable[tuple[int, int]]) -> Iterator[Template]:
    """The parts of a file at these places (offset, size), with the spans that lie in each, as files.

    Spans keep their names; one that reaches over an end belongs to none.
    """
    source, starts = TemplateSource(like), [span.offset for span in like.spans]
    for offset, size in places:
        end = offset + size
        inside = like.spans[bisect_left(starts, offset) : bisect_left(starts, end)]
        spans = [span for span in inside if span.offset + span.size <= end]
        edges = [offset, *(edge for span in spans for edge in (span.offset, span.offset + span.size)), end]
        runs = [source.read(start, stop - start) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
        yield Template(tuple(runs), tuple([span._replace(offset=span.offset - offset) for span in spans]))
