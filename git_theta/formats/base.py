"""The seam of a format: a file in, the byte spans of its tensors out.

A format never copies, converts or rewrites. It says where tensors lie; every other byte is the frame, kept verbatim.
So writing a file back is concatenation, and needs no format at all: a plug-in that goes missing never locks anyone out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from git_theta.errors import FormatError
from git_theta.tensors.spec import Spec


class Source(Protocol):
    """Random access to the bytes of a file."""

    size: int

    def read(self, offset: int, size: int) -> bytes:
        """Exactly ``size`` bytes at ``offset``. Raises FormatError when the file ends before them, or size < 0."""
        ...


class SpanView(NamedTuple):
    """A named window on a span's elements, for names that are not simply the whole span.

    Attributes:
        name: the parameter's name.
        spec: its dtype and shape.
        stride: elements to step per dimension, as torch counts them; None for contiguous.
        offset: first element, counted from the start of the span.
    """

    name: str
    spec: Spec
    stride: tuple[int, ...] | None = None
    offset: int = 0


class Span(NamedTuple):
    """The bytes of one tensor in a file: ``size == spec.nbytes`` at ``offset``.

    ``views`` lists the further names of the same bytes: tied parameters (the same spec, no stride, offset 0) and
    windows. Where even ``name`` is a window on part of the span, ``spec`` is the flat storage's and ``views`` starts
    with ``name`` itself.
    """

    name: str
    spec: Spec
    offset: int
    size: int
    views: tuple[SpanView, ...] = ()


class Part(NamedTuple):
    """A tensor of a file to be built, in the file's order.

    ``crc`` gives the CRC-32 of its bytes. It is called only by formats that write one: it may have to read the tensor.
    """

    name: str
    spec: Spec
    views: tuple[SpanView, ...]
    crc: Callable[[], int]


class Template(NamedTuple):
    """A file of the same format to build like: the literal bytes before each span and after the last, and the spans."""

    runs: tuple[bytes, ...]
    spans: tuple[Span, ...]


class Format(ABC):
    """Finds the tensors of one kind of file.

    Law: ``spans`` is a pure function of the bytes it reads from the source and of the source's size. It must not
    consult the clock, the environment or the file system: what it read is checked against what Git sends, and only
    that makes a layout found in the worktree valid for the stream. It reads headers, not tensor data.
    """

    name: str

    @abstractmethod
    def matches(self, head: bytes, path: str) -> bool:
        """Whether a file that starts with ``head`` (up to 1 MiB) looks like this format. Cheap; by content first."""

    @abstractmethod
    def spans(self, source: Source) -> list[Span]:
        """The tensors of the file in any order; spans disjoint, names (views included) unique.

        Raises FormatError with the reason when the file is damaged or hostile: it is then kept opaque, whole.
        """

    def build(self, parts: Sequence[Part], like: Template) -> list[bytes]:
        """The literal bytes before each part, and after the last, of a valid file with exactly these tensors.

        Law: ``spans`` finds the parts in that file: the same names, specs and views, in the same order. Where they are
        the template's, only what depends on the tensors' bytes (checksums) differs from the template's runs.

        Raises FormatError with the reason when no such file can be made; formats that cannot build say so here.
        """
        raise FormatError(
            f"{self.name} files cannot be rebuilt with other parameters ({len(parts)}, {len(like.spans)})"
        )

    def comparable_runs(self, like: Template) -> tuple[bytes, ...]:
        """The runs without what a writer derives from the whole file and ``build`` does not mend: an id of its content.

        Law: files whose other tensors differ, and nothing else, are comparable once their checksums are the same.
        """
        return like.runs

    def checksums(self, like: Template) -> dict[str, int]:  # noqa: ARG002
        """Span name to the CRC-32 that the file declares for it, for ``Part.crc`` of tensors taken over as they are.

        Empty for formats that write none. They are what the writer said: the bytes were not read.
        """
        return {}
