"""NaN and infinite numbers in what an adapter brings, looked for before one becomes rows and columns of them."""

from __future__ import annotations

from collections.abc import Iterable

from git_theta.operations.updating.update_steps import ParameterUpdate
from git_theta.tensors.numbers import codes_of, numbers_of
from git_theta.tensors.values import Values

_WITH_NAN = ("float", "complex")
"""Kinds of dtypes that have such numbers."""


def count_nonfinite_given(updates: Iterable[ParameterUpdate]) -> dict[str, int]:
    """How many each update brings, by what the adapter calls the parameter; none for an update without any.

    The adapter's arrays are read once, some blocks at a time.
    """
    counts = {
        update.name: sum(_count(values) for step in update.steps for values in step.list_given()) for update in updates
    }
    return {name: count for name, count in counts.items() if count}


def _count(values: Values) -> int:
    import numpy as np

    dtype = values.spec.dtype
    if dtype.kind not in _WITH_NAN:
        return 0
    found = (numbers_of(codes_of(block, dtype), dtype) for block in values.blocks())
    return sum(int(numbers.size - np.count_nonzero(np.isfinite(numbers))) for numbers in found)
