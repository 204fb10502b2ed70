"""A template as a file: its frame is there, its tensors' bytes are not."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

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

    def _overlapping_runs(self, offset: int, size: int) -> Iterator[tuple[int, int, int, int]]:
        """The runs with bytes in a range of the file: which, from and to where in it, at what offset of the file."""
        for run in range(max(0, bisect_right(self._starts, offset) - 1), len(self._runs)):
            if self._starts[run] >= offset + size:
                return
            start = max(0, offset - self._starts[run])
            stop = min(len(self._runs[run]), offset + size - self._starts[run])
            if start < stop:
                yield run, start, stop, self._starts[run] + start


def matches_template(parts: Sequence[Part], like: Template) -> bool:
    """Whether the parts are the template's tensors: the same names, specs and views in the same order."""
    return [part[:3] for part in parts] == [(span.name, span.spec, span.views) for span in like.spans]


def find_misread(reader: Format, runs: Sequence[bytes], parts: Sequence[Part]) -> list[Part]:
    """The parts that ``reader`` would not find, just so and in place, in a file of these runs and parts.

    Raises FormatError where it would not read the file at all.
    """
    planned: list[Span] = []
    at = 0
    for run, part in zip(runs, parts, strict=False):
        at += len(run)
        planned.append(Span(part.name, part.spec, at, part.spec.nbytes, part.views))
        at += part.spec.nbytes
    source = TemplateSource(Template(tuple(runs), tuple(planned)))
    found = validate_spans(reader.spans(source), source.size)
    wrong = [part for part, span, other in zip(parts, planned, found, strict=False) if span != other]
    return wrong or list(parts[len(found) :]) or list(parts[-1:] if len(found) > len(parts) else ())


def verify_runs(reader: Format, runs: list[bytes], parts: Sequence[Part]) -> list[bytes]:
    """The runs, once read back: a file that would be cleaned to other parameters than were merged is never written.

    Raises FormatError naming the first parameter that would not be found where and as it should.
    """
    wrong = find_misread(reader, runs, parts)
    if wrong:
        raise FormatError("no file of this kind can hold the parameter next to the others", parameter=wrong[0].name)
    return runs
