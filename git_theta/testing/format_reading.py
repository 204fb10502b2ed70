"""The laws of formats that read: whose files they take, and where they find tensors."""

from __future__ import annotations

import contextlib

import pytest

from git_theta.errors import FormatError
from git_theta.formats.base import Span
from git_theta.formats.layout import validate_spans
from git_theta.testing.format_hooks import FormatHooks, MemorySource, break_file

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


class ReadingLaws(FormatHooks):
    """Its own files, and no others; a layout, or a refusal."""

    @pytest.fixture
    def spans(self) -> dict[str, list[Span]]:
        """What the format finds in each sample."""
        return {path: self.make_format().spans(MemorySource(content)) for path, content in self.samples().items()}

    def test_knows_its_own(self) -> None:
        for path, content in self.samples().items():
            assert self.make_format().matches(content[:HEAD_SIZE], path), path

    def test_knows_its_own_in_upper_case(self) -> None:
        """A camera, a DOS share and some people write ``MODEL.ONNX``."""
        for path, content in self.samples().items():
            stem, dot, ending = path.rpartition(".")
            assert self.make_format().matches(content[:HEAD_SIZE], f"{stem}{dot}{ending.upper()}"), path

    def test_leaves_others_alone(self) -> None:
        for content in FOREIGN_STARTS:
            assert not self.make_format().matches(content, "notes.txt"), content[:40]

    def test_finds_tensors(self, spans: dict[str, list[Span]]) -> None:
        assert any(spans.values()), "a sample with a tensor is needed to see anything"

    def test_spans_are_a_layout(self, spans: dict[str, list[Span]]) -> None:
        for path, content in self.samples().items():
            validate_spans(spans[path], len(content))

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
            for broken in break_file(content):
                self.make_format().matches(broken[:HEAD_SIZE], path)
                self._read_or_refuse(broken)

    def test_any_bytes_are_refused_or_have_a_layout_and_nothing_else(self) -> None:
        for content in FOREIGN_STARTS:
            self._read_or_refuse(content)

    def _read_or_refuse(self, content: bytes) -> None:
        with contextlib.suppress(FormatError):
            validate_spans(self.make_format().spans(MemorySource(content)), len(content))
