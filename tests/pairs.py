"""Three axes of a test in pairs: what goes wrong does so by one value, or by two that meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

_First = TypeVar("_First")
_Second = TypeVar("_Second")
_Third = TypeVar("_Third")


def cross_in_pairs(
    first: Sequence[_First], second: Sequence[_Second], third: Sequence[_Third]
) -> list[tuple[_First, _Second, _Third]]:
    """Fewest rows in which any two values of two axes meet; the third axis may not be longer than the others."""
    assert len(third) <= min(len(first), len(second)), "not all of the third would meet all of the others"
    return [(a, b, third[(row + at) % len(third)]) for row, a in enumerate(first) for at, b in enumerate(second)]
