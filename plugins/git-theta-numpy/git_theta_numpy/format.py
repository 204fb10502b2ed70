"""The ``.npy`` and ``.npz`` formats: a header that is a Python literal and an array's bytes; or a zip of such members.

Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html (versions 1.0 to 3.0). NumPy itself is
not needed, and nothing is unpickled.
"""

from __future__ import annotations

import ast
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import accumulate
from typing import NamedTuple

from git_theta.errors import FormatError
from git_theta.formats.base import Derived, Fact, Format, Part, Source, Span, SpanView, Template
from git_theta.formats.layout import require_shape
from git_theta.formats.template import TemplateSource, matches_template
from git_theta.formats.zip.zip_derived import derive_checksums
from git_theta.formats.zip.zip_directory import read_directory
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec

_MAGIC = b"\x93NUMPY"
_ZIP = b"PK\3\4"
_LONGEST_HEADER = 10_000  # what numpy.load reads unless told otherwise: a literal can be made to exhaust the parser
_LENGTH_WIDTHS = {1: 2, 2: 4, 3: 4}
"""Major version to the bytes of the header's length."""
_DTYPES = {
    "|b1": "BOOL", "|i1": "I8", "|u1": "U8", "<i2": "I16", "<u2": "U16", "<i4": "I32", "<u4": "U32", "<i8": "I64",
    "<u8": "U64", "<f2": "F16", "<f4": "F32", "<f8": "F64", "<c8": "C64", "<c16": "C128",
}  # fmt: skip
"""What NumPy calls an element type to what manifests call it. Others stay in the frame."""


class NumpyFormat(Format):
    """Reads ``.npy`` and ``.npz`` files."""

    name = "numpy"
    api = 1

    def matches(self, head: bytes, path: str) -> bool:
        """The magic string; or a zip whose first member is called like an array, or that is called ``.npz``."""
        if head.startswith(_ZIP):
            name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
            return name.endswith(b".npy") or path.lower().endswith(".npz")
        return head.startswith(_MAGIC)

    def spans(self, source: Source) -> list[Span]:
        """The arrays. Raises FormatError where the file, or an array that is not compressed, is damaged or hostile."""
        if source.read(0, min(source.size, len(_ZIP))) == _ZIP:
            return list(_npz_spans(source))
        return list(_npy_spans(source, "array", _ByteRange(0, source.size)))

    def build(self, parts: Sequence[Part], like: Template) -> list[bytes]:
        """The template as it is, for the same arrays. Raises FormatError for others, whose headers would differ."""
        if not matches_template(parts, like):
            raise FormatError("NumPy's files cannot be rebuilt with other arrays")
        return list(like.runs)

    def find_derived(self, like: Template) -> Iterator[Derived]:
        """The CRCs of an ``.npz``, which are of an array's header and values."""
        source = TemplateSource(like)
        if source.size and source.read(0, min(source.size, len(_ZIP))) == _ZIP:
            yield from derive_checksums(like, read_directory(source))

    def read_facts(self, like: Template) -> dict[str, Fact]:
        """What is no tensor, each by its member: arrays that are compressed or no numbers, and other files."""
        source = TemplateSource(like)
        if not source.size or source.read(0, min(source.size, len(_ZIP))) != _ZIP:
            return {} if like.spans else {"array": _framed_fact(b"".join(like.runs))}
        starts = [span.offset for span in like.spans]
        found = {}
        for name, member in read_directory(source).items():
            first = bisect_left(starts, member.offset)
            if first == len(starts) or starts[first] > member.offset + member.size:
                found[name.removesuffix(".npy")] = _framed_fact(source.read(member.offset, member.size))
        return found


def _framed_fact(content: bytes) -> Fact:
    return Fact(sha256(content).digest(), f"{len(content)} bytes", plain=False)


class _ByteRange(NamedTuple):
    """Where a ``.npy`` lies in the file, in bytes."""

    start: int
    size: int


def _npz_spans(source: Source) -> Iterator[Span]:
    for name, member in read_directory(source).items():
        if member.stored and name.endswith(".npy"):
            yield from _npy_spans(source, name.removesuffix(".npy"), _ByteRange(member.offset, member.size))


def _npy_spans(source: Source, name: str, place: _ByteRange) -> Iterator[Span]:
    """The array of one ``.npy``, unless it is of a type that is no number."""
    header, start = _read_npy_header(source, place)
    descr = header["descr"]
    dtype = BY_NAME.get(_DTYPES.get(descr, "")) if isinstance(descr, str) else None
    if dtype is None:
        return
    spec = Spec(dtype, require_shape(header["shape"]))
    if start + spec.nbytes > place.start + place.size:
        raise FormatError("an array claims more bytes than there are", parameter=name)
    if header["fortran_order"] and len(spec.shape) > 1:
        window = SpanView(name, spec, tuple(accumulate(spec.shape[:-1], int.__mul__, initial=1)))
        yield Span(name, Spec(dtype, (spec.elements,)), start, spec.nbytes, (window,))
    else:
        yield Span(name, spec, start, spec.nbytes)


def _read_npy_header(source: Source, place: _ByteRange) -> tuple[dict[str, object], int]:
    """The header as a dictionary, and where the data begins."""
    prefix = source.read(place.start, min(place.size, 12))
    width = _LENGTH_WIDTHS.get(prefix[6], 0) if len(prefix) > 6 and prefix.startswith(_MAGIC) else 0
    length = int.from_bytes(prefix[8 : 8 + width], "little")
    start = 8 + width + length
    if not width or length > _LONGEST_HEADER or start > place.size:
        raise FormatError("an array has no header that can be read")
    return _parse_literal(source.read(place.start + 8 + width, length)), place.start + start


def _parse_literal(text: bytes) -> dict[str, object]:
    try:
        header = ast.literal_eval(text.decode())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise FormatError("an array's header is no Python literal") from error
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise FormatError("an array's header does not have the keys that NumPy writes")
    return header
