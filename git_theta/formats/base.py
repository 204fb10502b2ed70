"""The seam of a format: a file in, the byte spans of its tensors out.

A format never copies, converts or rewrites. It says where tensors lie; every other byte is the frame, kept verbatim.
So writing a file back is concatenation, and needs no format at all: a plug-in that goes missing never locks anyone out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from git_theta.errors import FormatError
from git_theta.registry import Family, make_instance
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import Values

Scalar = str | int | float | bool | None
"""What a file may say beside its tensors: plain values."""


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

    ``values`` are its bytes. Reading them may mean to fetch or to decode the tensor: a format that writes checksums
    declares them (``Format.derived``) and reads nothing.
    """

    name: str
    spec: Spec
    views: tuple[SpanView, ...]
    values: Values


class Template(NamedTuple):
    """A file of the same format to build like: the literal bytes before each span and after the last, and the spans."""

    runs: tuple[bytes, ...]
    spans: tuple[Span, ...]


class Checksum(NamedTuple):
    """How bytes of a frame follow from the values of tensors.

    Attributes:
        name: the same for checksums that give the same bytes for the same values: then one that a file declares is
            taken over, and no tensor is read for it.
        compute: the bytes, from the values of each of those tensors.
    """

    name: str
    compute: Callable[..., bytes]


class Derived(NamedTuple):
    """``size`` bytes of the frame, at ``offset`` of the file, that a writer derives from others: they say nothing new.

    A ``checksum`` follows from the values of ``span`` (its name), and of ``further`` ones after it, and is put in after
    ``build``. Without one, the bytes follow from the rest of the file in a way that no reader checks, or that ``build``
    sees to: an id of the content, the file's name, lengths and offsets.
    """

    offset: int
    size: int
    span: str = ""
    checksum: Checksum | None = None
    further: tuple[str, ...] = ()


class Fact(NamedTuple):
    """What a frame says under one key.

    Attributes:
        content: facts with equal contents say the same.
        text: the value, short, for people.
        plain: whether it is a plain value, as metadata are. Anything else may be weights that the format cannot see:
            no strategy that computes may choose among such.
        tensor: the name of the tensor that it is about; "" for the file.
        bound: whether that tensor's values mean nothing without it, as codes without their scale: merges take both from
            one side.
    """

    content: bytes
    text: str
    plain: bool = True
    tensor: str = ""
    bound: bool = False


class Format(ABC):
    """Finds the tensors of one kind of file.

    Law: ``spans`` is a pure function of the bytes it reads from the source and of the source's size. It must not
    consult the clock, the environment or the file system: what it read is checked against what Git sends, and only
    that makes a layout found in the worktree valid for the stream. It reads headers, not tensor data.

    Attributes:
        name: what manifests and people call it.
        api: the version of this seam that it is written for. A plug-in says ``api = 1`` itself.
    """

    name: str
    api: int = 1

    @abstractmethod
    def matches(self, head: bytes, path: str) -> bool:
        """Whether a file that starts with ``head`` (up to 1 MiB) looks like this format. Cheap; by content first."""

    @abstractmethod
    def spans(self, source: Source) -> list[Span]:
        """The tensors of the file in any order; spans disjoint, names (views included) unique.

        A tensor that the file has no name for is called ``#N`` by its place: merges take such files from one side.

        Raises FormatError with the reason when the file is damaged or hostile: it is then kept opaque, whole.
        """

    def build(self, parts: Sequence[Part], like: Template) -> list[bytes]:
        """The literal bytes before each part, and after the last, of a file with exactly these tensors.

        Law: ``spans`` finds the parts in that file: the same names, specs and views, in the same order. The file is
        valid once the checksums that ``find_derived`` finds in it are put in (``formats.building``). Where the parts
        are the template's, the runs are the template's too, but for derived bytes.

        Raises FormatError with the reason when no such file can be made; formats that cannot build say so here.
        """
        raise FormatError(
            f"{self.name} files cannot be rebuilt with other parameters ({len(parts)}, {len(like.spans)})"
        )

    def find_derived(self, like: Template) -> Iterable[Derived]:  # noqa: ARG002
        """What in the frame a writer derives from other bytes, in any order, without overlaps; nothing by default.

        Law: files that differ in their tensors' bytes alone have the same frame outside of it. The rest of the frame is
        what a person may have meant, and what merges ask about.
        """
        return ()

    def metadata(self, like: Template) -> Iterable[tuple[str, Scalar]]:  # noqa: ARG002
        """What the frame says in plain values beside the tensors, for people: key and value; nothing by default.

        Keys are joined by dots where values are nested. Only the first few hundred are taken.
        """
        return ()

    def read_facts(self, like: Template) -> Mapping[str, Fact] | None:  # noqa: ARG002
        """All that the frame says beside the tensors, by key; None where it cannot be taken apart.

        Law: files with the same tensors and facts say the same to whoever loads them. Order, spelling and whatever else
        is a writer's habit is no fact.
        """
        return None

    def take_facts(self, like: Template, sources: Mapping[str, Template]) -> Template:
        """The template with some facts as others have them: by key, whose; what the other one lacks is left out.

        It is read again by ``read_facts`` before it is used. Raises FormatError with the reason where that cannot be.
        """
        raise FormatError(f"{self.name} files cannot take over metadata ({len(sources)}, {len(like.spans)})")


FORMATS = Family("formats", make_instance(Format))
