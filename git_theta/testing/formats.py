"""The laws of ``git_theta.formats.base``."""

from __future__ import annotations

import contextlib
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping

import pytest

from git_theta.errors import FormatError
from git_theta.formats.base import Format, Span
from git_theta.formats.layout import validate_spans

HEAD_SIZE = 1 << 20
FOREIGN_STARTS = (
    b"",
    b"\0",
    b"\xff" * 4096,
    bytes(4096),
    b"version https://git-lfs.github.com/spec/v1\n",
    b"#!/bin/sh\n" * 50,
)
"""Starts of files that no format of tensors should want."""


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


class FormatLaws(ABC):
    """Derive, make the format, and give it files to read."""

    @abstractmethod
    def make_format(self) -> Format:
        """The format under test."""

    @abstractmethod
    def samples(self) -> Mapping[str, bytes]:
        """Valid files of the format, the small ones and the odd ones, by path."""

    @pytest.fixture
    def spans(self) -> dict[str, list[Span]]:
        """What the format finds in each sample."""
        return {path: self.make_format().spans(MemorySource(content)) for path, content in self.samples().items()}

    def test_knows_its_own(self) -> None:
        for path, content in self.samples().items():
            assert self.make_format().matches(content[:HEAD_SIZE], path), path

    def test_leaves_others_alone(self) -> None:
        for content in FOREIGN_STARTS:
            assert not self.make_format().matches(content, "notes.txt"), content[:40]

    def test_finds_tensors(self, spans: dict[str, list[Span]]) -> None:
        assert any(spans.values()), "a sample with a tensor is needed to see anything"

    def test_spans_are_a_layout(self, spans: dict[str, list[Span]]) -> None:
        for path, content in self.samples().items():
            validate_spans(spans[path], len(content))

    def test_views_lie_within_their_span(self, spans: dict[str, list[Span]]) -> None:
        for span in (span for found in spans.values() for span in found):
            for view in span.views:
                strides = view.stride or _contiguous_strides(view.spec.shape)
                steps = sum((size - 1) * step for size, step in zip(view.spec.shape, strides, strict=True))
                used = view.offset + steps + 1 if view.spec.elements else view.offset
                assert used * view.spec.dtype.bits <= span.size * 8, view

    def test_the_same_file_gives_the_same_spans(self, spans: dict[str, list[Span]]) -> None:
        for path, content in self.samples().items():
            assert self.make_format().spans(MemorySource(content)) == spans[path]

    def test_spans_depend_on_nothing_but_what_was_read(self, spans: dict[str, list[Span]]) -> None:
        """The answer is used for another file with the same bytes in these places, so no other byte may matter."""
        for path, content in self.samples().items():
            source = MemorySource(content)
            self.make_format().spans(source)
            other = bytearray(byte ^ 0xFF for byte in content)
            for start, end in source.reads:
                other[start:end] = content[start:end]
            assert self.make_format().spans(MemorySource(bytes(other))) == spans[path], path

    def test_a_damaged_file_is_refused_or_has_a_layout_and_nothing_else(self) -> None:
        for path, content in self.samples().items():
            for broken in _break_file(content):
                self.make_format().matches(broken[:HEAD_SIZE], path)
                self._read_or_refuse(broken)

    def test_any_bytes_are_refused_or_have_a_layout_and_nothing_else(self) -> None:
        for content in FOREIGN_STARTS:
            self._read_or_refuse(content)

    def _read_or_refuse(self, content: bytes) -> None:
        with contextlib.suppress(FormatError):
            validate_spans(self.make_format().spans(MemorySource(content)), len(content))


def _contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


def _break_file(content: bytes) -> Iterator[bytes]:
    """The file cut, altered and prolonged in about 400 ways, most of them near its ends, where headers are."""
    generator = random.Random(len(content))
    ends = [*range(min(64, len(content))), *range(max(0, len(content) - 64), len(content))]
    for at in sorted({*ends, *(generator.randrange(len(content)) for _ in range(64))}):
        yield content[:at]
        yield content[:at] + bytes([content[at] ^ 1 << generator.randrange(8)]) + content[at + 1 :]
        yield content[:at] + b"\xff" * 8 + content[at + 8 :]
    yield content + b"\0"
    yield content + content
