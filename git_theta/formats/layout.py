"""The laws of a layout, checked in one place: what any format finds passes through here.

File contents are untrusted (L10), so nothing here may cost more than the bytes that are there: sizes are compared as
Python integers, whose products cannot overflow, over at most ``MAX_DIMENSIONS`` factors below ``2**63``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from git_theta.errors import FormatError
from git_theta.formats.base import Span, SpanView

# Adding a file of 200,000 names peaked at 385 MB: this keeps it below 300 MB. The largest single files known to us,
# mixture-of-experts checkpoints with a tensor per expert, have 100,000 to 150,000.
MAX_NAMES = 150_000
MAX_DIMENSIONS = 64
_DIMENSION_LIMIT = 1 << 63


def validate_spans(spans: Iterable[Span], size: int) -> tuple[Span, ...]:
    """The spans in file order, after checking that they are a layout of a file of ``size`` bytes.

    The result ascends strictly in bytes: each span starts where the one before it ends, or later. A span without bytes
    may be claimed to lie inside another one; it is moved to that one's end, which changes no byte.

    Raises:
        FormatError: spans overlap or reach out of the file, or views out of their span; a span's size is not its
            spec's; a name is used twice, is empty or is no text; or there are more than ``MAX_NAMES`` names.
    """
    ordered = sorted(spans, key=lambda span: (span.offset, span.size, span.name))
    _check_names(ordered)
    placed = []
    end = 0
    for span in ordered:
        if span.size == 0 and 0 <= span.offset < end:
            span = span._replace(offset=end)
        _check_bounds(span, end, size)
        end = span.offset + span.size
        placed.append(span)
    return tuple(placed)


def require_shape(dimensions: object) -> tuple[int, ...]:
    """``dimensions`` as a shape (or strides): at most 64 integers, none negative. Raises FormatError otherwise."""
    if not isinstance(dimensions, (list, tuple)) or len(dimensions) > MAX_DIMENSIONS:
        raise FormatError(f"a shape is no list of at most {MAX_DIMENSIONS} integers")
    if not all(type(dimension) is int and 0 <= dimension < _DIMENSION_LIMIT for dimension in dimensions):
        raise FormatError("a shape has a dimension that is no integer between 0 and 2**63 - 1")
    return tuple(dimensions)


def _check_bounds(span: Span, end: int, size: int) -> None:
    if span.size != span.spec.nbytes:
        claim = f"{span.size} bytes for {span.spec.dtype.name} {list(span.spec.shape)}"
        raise FormatError(f"a tensor's size does not match its dtype and shape: {claim}", parameter=span.name)
    if span.size < 0 or span.offset < 0 or span.offset + span.size > size:
        raise FormatError("a tensor lies outside the file", parameter=span.name)
    if span.offset < end:
        raise FormatError("a tensor overlaps the one before it", parameter=span.name)
    for view in span.views:
        if _view_size(view) > span.size:
            raise FormatError("a view reaches out of its tensor", parameter=view.name)


def _view_size(view: SpanView) -> int:
    """Bytes from the start of the span to the end of the view's last element."""
    if not view.spec.elements:
        return view.spec.dtype.count_bytes(view.offset)
    if view.stride is None:
        return view.spec.dtype.count_bytes(view.offset + view.spec.elements)
    steps = sum((size - 1) * step for size, step in zip(view.spec.shape, view.stride, strict=True))
    return view.spec.dtype.count_bytes(view.offset + steps + 1)


def _check_names(spans: list[Span]) -> None:
    seen: set[str] = set()
    for name in _span_names(spans):
        if name in seen:
            raise FormatError("two tensors have the same name", parameter=name)
        if not name or "\0" in name or not _is_text(name):
            raise FormatError(f"a tensor's name is empty or no text: {name!a}")
        seen.add(name)
        if len(seen) > MAX_NAMES:
            raise FormatError(f"more than {MAX_NAMES} tensors")


def _span_names(spans: list[Span]) -> Iterator[str]:
    """Every name once, as written: where a span's own name is a window, its first view repeats it."""
    for span in spans:
        yield span.name
        for index, view in enumerate(span.views):
            if index or view.name != span.name:
                yield view.name


def _is_text(name: str) -> bool:
    """Whether the name can be written as UTF-8: JSON and pickles can smuggle in lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
