"""The laws of ``git_theta.formats.base``."""

from __future__ import annotations

import contextlib
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice, pairwise, permutations

import pytest

from git_theta.errors import FormatError
from git_theta.formats.base import Format, Part, Span, Template
from git_theta.formats.building import build_file, cut_derived, declare_nothing, read_checksums
from git_theta.formats.guarded_format import GuardedFormat
from git_theta.formats.layout import validate_spans
from git_theta.formats.template import TemplateSource
from git_theta.tensors.values import MemoryValues

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

    builds: bool = True
    """Whether the format builds files with other values. One that never does says so with FormatError, and here."""

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
            for broken in _break_file(content):
                self.make_format().matches(broken[:HEAD_SIZE], path)
                self._read_or_refuse(broken)

    def test_any_bytes_are_refused_or_have_a_layout_and_nothing_else(self) -> None:
        for content in FOREIGN_STARTS:
            self._read_or_refuse(content)

    def test_the_same_tensors_build_the_same_file(self) -> None:
        for path, content in self.samples().items():
            like = self._read_template(content)
            assert self._build_or_refuse(list(_parts_of(like, content)), like) in (content, None), path

    def test_other_values_build_a_file_that_has_them_and_no_other_frame(self) -> None:
        """What differs is derived, and what is derived follows: built from either file, the other one comes out."""
        for path, content in self.samples().items():
            like = self._read_template(content)
            parts = list(_parts_of(like, bytes(byte ^ 1 for byte in content)))
            built = self._build_or_refuse(parts, like)
            if built is None:
                continue
            found = self._read_template(built)
            assert [span[:2] + span[3:] for span in found.spans] == [span[:2] + span[3:] for span in like.spans], path
            assert cut_derived(self._guard_format(), found) == cut_derived(self._guard_format(), like), path
            assert _values_of(found, built) == [_bytes_of(part) for part in parts], path
            assert self._build_or_refuse(list(_parts_of(like, content)), found) == content, path

    def test_a_tensor_less_builds_a_file_without_it(self) -> None:
        """Only where the format can: what it builds is laid out again by ``build_file``, as when a merge is written."""
        for path, content in self.samples().items():
            like = self._read_template(content)
            parts = list(_parts_of(like, content))[1:]
            built = self._build_or_refuse(parts, like, may_refuse=True)
            if built is not None and like.spans:
                found = self._read_template(built)
                assert [span.name for span in found.spans] == [part.name for part in parts], path
                assert _values_of(found, built) == [_bytes_of(part) for part in parts], path

    def test_declared_checksums_are_those_of_the_values(self) -> None:
        """A merge takes them over for tensors that did not change, and computes the others by what was declared."""
        for path, content in self.samples().items():
            like = self._read_template(content)
            parts = {part.name: part for part in _parts_of(like, content)}
            declared = read_checksums(self._guard_format(), like)
            for one in self.make_format().find_derived(like):
                if one.checksum:
                    expected = one.checksum.compute(*(parts[name].values for name in (one.span, *one.further)))
                    found = content[one.offset : one.offset + one.size]
                    known = found if one.further else declared[one.span, one.checksum.name]
                    assert found == known == expected, (path, one.span, one.checksum.name)

    def test_derived_bytes_lie_in_the_frame_and_do_not_overlap(self) -> None:
        for path, content in self.samples().items():
            like = self._read_template(content)
            places = sorted((one.offset, one.size) for one in self._guard_format().find_derived(like))
            assert all(at + size <= after for (at, size), (after, _) in pairwise(places)), path
            cut = sum(map(len, TemplateSource(like).cut_ranges(places)))
            assert cut == sum(map(len, like.runs)) - sum(size for _, size in places), path

    def test_metadata_are_keys_and_plain_values(self) -> None:
        for path, content in self.samples().items():
            for key, value in islice(self.make_format().metadata(self._read_template(content)), 1000):
                assert isinstance(key, str), path
                assert value is None or isinstance(value, (str, int, float)), (path, key)

    def test_facts_say_nothing_of_the_tensors_values(self) -> None:
        """Nor of what is derived from them: a merge would take every trained parameter for other metadata."""
        for path, content in self.samples().items():
            like = self._read_template(content)
            built = self._build_or_refuse(list(_parts_of(like, bytes(byte ^ 1 for byte in content))), like)
            if built is not None:
                facts = self._guard_format().read_facts(like)
                assert self._guard_format().read_facts(self._read_template(built)) == facts, path

    def test_facts_are_taken_over_or_that_is_refused(self) -> None:
        """From each sample into each other one, all at once; what comes out is read again behind the guard."""
        templates = list(map(self._read_template, self.samples().values()))
        for like, other in permutations(templates, 2):
            ours, theirs = (self._guard_format().read_facts(one) or {} for one in (like, other))
            keys = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
            with contextlib.suppress(FormatError):
                made = self._guard_format().take_facts(like, dict.fromkeys(keys, other))
                assert self._guard_format().read_facts(made) == theirs

    def test_a_damaged_frame_is_refused_and_nothing_else(self) -> None:
        """Frames come from files that strangers made: what can be laid out may still be damaged anywhere."""
        for content in self.samples().values():
            for broken in _break_file(content):
                with contextlib.suppress(FormatError):
                    like = self._read_template(broken)
                    self._ask_everything(like, list(_parts_of(like, broken)))

    def _ask_everything(self, like: Template, parts: list[Part]) -> None:
        """What the guard would turn into a PluginError fails the test."""
        for ask in (
            self._guard_format().find_derived,
            self._guard_format().metadata,
            lambda like: self._guard_format().read_facts(like) or (),
            partial(self._guard_format().build, parts),
        ):
            with contextlib.suppress(FormatError):
                list(islice(ask(like), 1000))

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
        return b"".join(run + tensor for run, tensor in zip(runs, [*map(_bytes_of, parts), b""], strict=True))

    def _read_or_refuse(self, content: bytes) -> None:
        with contextlib.suppress(FormatError):
            validate_spans(self.make_format().spans(MemorySource(content)), len(content))


def _parts_of(like: Template, content: bytes) -> Iterator[Part]:
    for span in like.spans:
        values = MemoryValues(span.spec, content[span.offset : span.offset + span.size])
        yield Part(span.name, span.spec, span.views, values)


def _bytes_of(part: Part) -> bytes:
    return b"".join(part.values.blocks())


def _values_of(found: Template, content: bytes) -> list[bytes]:
    return [content[span.offset : span.offset + span.size] for span in found.spans]


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
