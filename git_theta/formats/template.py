"""A template as a file: its frame is there, its tensors' bytes are not."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256

from git_theta.errors import FormatError
from git_theta.formats.base import Format, Part, Span, Template
from git_theta.formats.layout import validate_spans


class TemplateSource:
    """The bytes of a template. Those of its spans read as zeros: formats look at the frame alone."""

    def __init__(self, like: Template) -> None:
        self._runs = like.runs
        self._starts: list[int] = []
        self.size = 0
        for run, span in zip(like.runs, (*like.spans, None), strict=True):
            self._starts.append(self.size)
            self.size += len(run) + (span.size if span else 0)

    def read(self, offset: int, size: int) -> bytes:
        """As ``formats.base.Source`` says."""
        if offset < 0 or size < 0 or offset + size > self.size:
            raise FormatError("the file ends before that")
        run = max(0, bisect_right(self._starts, offset) - 1)
        at = offset - self._starts[run]
        if at + size <= len(self._runs[run]):
            return self._runs[run][at : at + size]
        content = bytearray(size)
        for run, start, stop, at in self._overlapping_runs(offset, size):
            content[at - offset : at - offset + stop - start] = self._runs[run][start:stop]
        return bytes(content)

    def patch_runs(self, patches: dict[int, bytes]) -> list[bytes]:
        """The runs with other bytes at some offsets of the file. Raises FormatError where that is not in the frame."""
        changed: dict[int, bytearray] = {}
        for offset, content in patches.items():
            done = 0
            for run, start, stop, at in self._overlapping_runs(offset, len(content)):
                if run not in changed:
                    changed[run] = bytearray(self._runs[run])
                changed[run][start:stop] = content[at - offset : at - offset + stop - start]
                done += stop - start
            if done != len(content):
                raise FormatError("a checksum of the file lies inside a tensor")
        return [bytes(changed.get(index, run)) for index, run in enumerate(self._runs)]

    def cut_ranges(self, ranges: Iterable[tuple[int, int]]) -> list[bytes]:
        """The runs without some ranges (offset, size) of the file. Raises FormatError where one is not in the frame."""
        cuts: dict[int, list[tuple[int, int]]] = {}
        for offset, size in ranges:
            run = max(0, bisect_right(self._starts, offset) - 1)
            start = offset - self._starts[run]
            if start < 0 or start + size > len(self._runs[run]):
                raise FormatError("derived bytes of the file lie inside a tensor")
            cuts.setdefault(run, []).append((start, start + size))
        return [_cut_run(run, cuts.get(index, ())) for index, run in enumerate(self._runs)]

    def _overlapping_runs(self, offset: int, size: int) -> Iterator[tuple[int, int, int, int]]:
        """The runs with bytes in a range of the file: which, from and to where in it, at what offset of the file."""
        for run in range(max(0, bisect_right(self._starts, offset) - 1), len(self._runs)):
            if self._starts[run] >= offset + size:
                return
            start = max(0, offset - self._starts[run])
            stop = min(len(self._runs[run]), offset + size - self._starts[run])
            if start < stop:
                yield run, start, stop, self._starts[run] + start


def digest_runs(runs: Iterable[bytes]) -> bytes:
    """The digest of runs, each behind its length: where one ends is part of what they say."""
    digest = sha256()
    for run in runs:
        digest.update(len(run).to_bytes(8, "little"))
        digest.update(run)
    return digest.digest()


def matches_template(parts: Sequence[Part], like: Template) -> bool:
    """Whether the parts are the template's tensors: the same names, specs and views in the same order."""
    return [part[:3] for part in parts] == [(span.name, span.spec, span.views) for span in like.spans]


def place_parts(runs: Sequence[bytes], parts: Iterable[Part]) -> Template:
    """What was built, as a template: the parts are its spans, where they are now."""
    spans: list[Span] = []
    offset = 0
    for run, part in zip(runs, parts, strict=False):
        offset += len(run)
        spans.append(Span(part.name, part.spec, offset, part.spec.nbytes, part.views))
        offset += part.spec.nbytes
    return Template(tuple(runs), tuple(spans))


def find_misread(reader: Format, built: Template) -> list[Span]:
    """The spans of a built file that ``reader`` would not find there just so, or would find beside them.

    Raises FormatError where it would not read the file at all.
    """
    source = TemplateSource(built)
    found = validate_spans(reader.spans(source), source.size)
    wrong = [span for span, other in zip(built.spans, found, strict=False) if span != other]
    return wrong or list(built.spans[len(found) :]) or list(found[len(built.spans) :])


def _cut_run(run: bytes, cuts: Iterable[tuple[int, int]]) -> bytes:
    kept, at = [], 0
    for start, stop in sorted(cuts):
        kept.append(run[at:start])
        at = max(at, stop)
    return b"".join([*kept, run[at:]])
