"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest

from git_theta.diffing.render.formatting import (
    format_cosine,
    format_magnitude,
    format_number,
    format_percent,
    format_shape,
)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, ""),
        (0.0, "0"),
        (-0.0, "0"),
        (1, "1.00"),
        (0.012345, "0.0123"),
        (0.0009996, "0.00100"),
        (12.345, "12.3"),
        (999.6, "1,000"),
        (123456.0, "123,000"),
        (1.5e6, "1.50e+06"),
        (4.5678e-7, "4.57e-07"),
        (-0.5, "-0.500"),
        (math.inf, "inf"),
        (math.nan, "nan"),
    ],
)
def test_three_digits(value: float | None, said: str) -> None:
    assert format_number(value) == said


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (None, ""),
        (0, "0%"),
        (1, "100%"),
        (0.99999, ">99.9%"),
        (1e-9, "<0.0001%"),
        (0.0123, "1.23%"),
        (0.5, "50.0%"),
        (1.5, "150%"),
    ],
)
def test_none_and_all_are_meant(share: float | None, said: str) -> None:
    assert format_percent(share) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, ""),
        (1.0, "1"),
        (1 - 1e-9, ">.9999"),
        (0.98765, "0.9877"),
        (-1e-7, "0.0000"),
        (-0.5, "-0.5000"),
        (-1 + 1e-9, "<-.9999"),
    ],
)
def test_only_the_same_direction_is_1(value: float | None, said: str) -> None:
    assert format_cosine(value) == said


@pytest.mark.parametrize(
    ("elements", "said"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.00 k"),
        (999_999, "1.00 M"),
        (22_713_216, "22.7 M"),
        (10**14, "100 T"),
        (10**15, ">999 T"),
    ],
)
def test_many_elements(elements: int, said: str) -> None:
    assert format_magnitude(elements) == said


def test_shapes() -> None:
    assert [format_shape(()), format_shape((3,)), format_shape((3, 4))] == ["[]", "[3]", "[3, 4]"]
