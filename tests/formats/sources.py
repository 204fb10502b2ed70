"""Sources for tests: bytes and files, with the reads they were asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from git_theta.errors import FormatError
from git_theta.formats.base import Format, Span


@dataclass
class BytesSource:
    """A file in memory. ``reads`` records (offset, size) of every read."""

    data: bytes
    reads: list[tuple[int, int]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.data)

    @size.setter
    def size(self, size: int) -> None:
        raise AttributeError("the size is the data's")

    def read(self, offset: int, size: int) -> bytes:
        self.reads.append((offset, size))
        if offset < 0 or size < 0 or offset + size > len(self.data):
            raise FormatError("the file ends before that")
        return self.data[offset : offset + size]


@dataclass
class FileSource:
    """A file on disk, opened for each read: sparse files of many GB cost nothing."""

    path: Path
    size: int = 0

    def __post_init__(self) -> None:
        self.size = self.path.stat().st_size

    def read(self, offset: int, size: int) -> bytes:
        if offset < 0 or size < 0 or offset + size > self.size:
            raise FormatError("the file ends before that")
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(size)


def names_of(spans: list[Span]) -> list[str]:
    """Every name, once: the spans' own and their views'."""
    return [name for span in spans for name in dict.fromkeys([span.name, *(view.name for view in span.views)])]


def spans_or_refusal(reader: Format, data: bytes) -> list[Span] | None:
    """The spans of ``data``, or None where it is refused with a reason; any other exception fails the test."""
    try:
        spans = reader.spans(BytesSource(data))
    except FormatError as error:
        assert error.message
        return None
    end = 0
    for span in spans:
        assert end <= span.offset
        assert span.size == span.spec.nbytes
        end = span.offset + span.size
        assert end <= len(data)
    return spans
