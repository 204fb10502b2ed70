"""What a layout may be, and what is refused."""

from __future__ import annotations

import pytest

from git_theta.errors import FormatError
from git_theta.formats.base import Span, SpanView
from git_theta.formats.layout import MAX_NAMES, require_shape, validate_spans
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec

U8_4 = Spec(BY_NAME["U8"], (4,))
Q4_K = BY_NAME["Q4_K"]


def span(name: str, offset: int, size: int, *views: str) -> Span:
    spec = Spec(BY_NAME["U8"], (size,))
    return Span(name, spec, offset, size, tuple(SpanView(view, spec) for view in views))


def test_spans_come_back_in_file_order() -> None:
    assert [found.name for found in validate_spans([span("b", 4, 4), span("c", 8, 2), span("a", 0, 3)], 10)] == [
        "a",
        "b",
        "c",
    ]


def test_no_spans_are_a_layout() -> None:
    assert validate_spans([], 0) == ()


@pytest.mark.parametrize(
    ("spans", "reason"),
    [
        ([span("a", 0, 4), span("b", 3, 4)], "overlaps"),
        ([span("a", 0, 4), span("b", 0, 4)], "overlaps"),
        ([span("a", 8, 4)], "outside"),
        ([span("a", -1, 4)], "outside"),
        ([span("a", 11, 0)], "outside"),
        ([span("a", -1, 0)], "outside"),
        ([Span("a", Spec(BY_NAME["F32"], (2,)), 0, 4)], "does not match"),
        ([Span("a", Spec(BY_NAME["U8"], (1 << 62, 1 << 62)), 0, 4)], "does not match"),
        ([span("a", 0, 4), span("a", 4, 4)], "same name"),
        ([span("a", 0, 4), span("b", 4, 4, "a")], "same name"),
        ([span("a", 0, 4, "b", "b")], "same name"),
        ([span("a", 0, 4, "b", "a")], "same name"),
        ([span("a\0b", 0, 4)], "no text"),
        ([span("a\ud800", 0, 4)], "no text"),
        ([span("", 0, 4)], "empty"),
        ([span("a", 0, 4, "")], "empty"),
        ([Span("a", U8_4, 0, 4, (SpanView("b", Spec(BY_NAME["U8"], (2,)), None, 3),))], "view reaches out"),
        ([Span("a", U8_4, 0, 4, (SpanView("b", Spec(BY_NAME["U8"], (2, 2)), (2, 2)),))], "view reaches out"),
        ([Span("a", U8_4, 0, 4, (SpanView("b", Spec(BY_NAME["F32"], (0,)), None, 2),))], "view reaches out"),
    ],
)
def test_what_is_no_layout_is_refused_with_a_reason(spans: list[Span], reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        validate_spans(spans, 10)


def test_quantised_blocks_are_sized_as_blocks() -> None:
    spec = Spec(Q4_K, (2, 256))
    assert validate_spans([Span("q", spec, 0, 288, (SpanView("row", Spec(Q4_K, (256,)), None, 256),))], 288)
    with pytest.raises(FormatError, match="does not match"):
        validate_spans([Span("q", spec, 0, 287)], 288)
    with pytest.raises(FormatError, match="view reaches out"):
        validate_spans([Span("q", spec, 0, 288, (SpanView("row", Spec(Q4_K, (257,)), None, 256),))], 288)


def test_a_window_may_repeat_its_spans_own_name_first() -> None:
    assert validate_spans([span("a", 0, 4, "a", "b")], 4)[0].name == "a"


def test_empty_tensors_may_lie_anywhere_and_never_break_the_order() -> None:
    found = validate_spans([span("x", 10, 0), span("a", 2, 6), span("y", 5, 0), span("z", 0, 0), span("w", 2, 0)], 10)
    assert [(s.name, s.offset) for s in found] == [("z", 0), ("w", 2), ("a", 2), ("y", 8), ("x", 10)]


def test_checking_twice_changes_nothing() -> None:
    once = validate_spans([span("a", 2, 6), span("y", 5, 0)], 10)
    assert validate_spans(once, 10) == once


def test_too_many_names_are_refused() -> None:
    with pytest.raises(FormatError, match="more than"):
        validate_spans((span(str(index), 0, 0) for index in range(MAX_NAMES + 1)), 0)


@pytest.mark.parametrize("shape", [[], [0], [3, 4], (5,), [1] * 64, [2**63 - 1]])
def test_shapes(shape: list[int]) -> None:
    assert require_shape(shape) == tuple(shape)


@pytest.mark.parametrize("shape", [None, "12", {"a": 1}, [1.0], [True], [-1], ["1"], [2**63], [1] * 65, 3])
def test_what_is_no_shape_is_refused(shape: object) -> None:
    with pytest.raises(FormatError, match="shape"):
        require_shape(shape)
