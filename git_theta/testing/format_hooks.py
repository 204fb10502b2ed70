"""What a format that is held to the laws says of itself, and the files that it is tried with."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping

from git_theta.errors import FormatError
from git_theta.formats.base import Format, Part, Template
from git_theta.formats.building import build_file, declare_nothing
from git_theta.formats.guarded_format import GuardedFormat
from git_theta.formats.layout import validate_spans
from git_theta.tensors.values import MemoryValues


class MemorySource:
    """A file in memory that remembers which of its bytes were read."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size = len(content)
        self.reads: list[tuple[int, int]] = []

    def read(self, offset: int, size: int) -> bytes:
        """As ``formats.base.Source`` says."""
        if size < 0 or offset < 0 or offset + size > self.size:
            raise FormatError("the file ends before that")
        self.reads.append((offset, offset + size))
        return self.content[offset : offset + size]


class FormatHooks(ABC):
    """The format, files to read, and whether it builds others."""

    @abstractmethod
    def make_format(self) -> Format:
        """The format under test."""

    @abstractmethod
    def samples(self) -> Mapping[str, bytes]:
        """Valid files of the format, the small ones and the odd ones, by path."""

    builds: bool = True
    """Whether the format builds files with other values. One that never does says so with FormatError, and here."""

    def _guard_format(self) -> GuardedFormat:
        return GuardedFormat(self.make_format().name, self.make_format())

    def _read_template(self, content: bytes) -> Template:
        spans = validate_spans(self.make_format().spans(MemorySource(content)), len(content))
        starts = [0, *(span.offset + span.size for span in spans)]
        ends = [*(span.offset for span in spans), len(content)]
        return Template(tuple(content[start:end] for start, end in zip(starts, ends, strict=True)), spans)

    def _build_or_refuse(self, parts: list[Part], like: Template, *, may_refuse: bool = False) -> bytes | None:
        try:
            runs = build_file(self._guard_format(), parts, like, declare_nothing)
        except FormatError:
            assert may_refuse or not self.builds
            return None
        return b"".join(run + tensor for run, tensor in zip(runs, [*map(bytes_of, parts), b""], strict=True))


def parts_of(like: Template, content: bytes) -> Iterator[Part]:
    """The tensors of a file, with the values that ``content`` has in their places."""
    for span in like.spans:
        values = MemoryValues(span.spec, content[span.offset : span.offset + span.size])
        yield Part(span.name, span.spec, span.views, values)


def bytes_of(part: Part) -> bytes:
    """All of its values."""
    return b"".join(part.values.blocks())


def values_of(found: Template, content: bytes) -> list[bytes]:
    """What a file has in the places of its tensors."""
    return [content[span.offset : span.offset + span.size] for span in found.spans]


def break_file(content: bytes) -> Iterator[bytes]:
    """The file cut, altered and prolonged in about 400 ways, most of them near its ends, where headers are."""
    generator = random.Random(len(content))
    ends = [*range(min(64, len(content))), *range(max(0, len(content) - 64), len(content))]
    for at in sorted({*ends, *(generator.randrange(len(content)) for _ in range(64))}):
        yield content[:at]
        yield content[:at] + bytes([content[at] ^ 1 << generator.randrange(8)]) + content[at + 1 :]
        yield content[:at] + b"\xff" * 8 + content[at + 8 :]
    yield content + b"\0"
    yield content + content
