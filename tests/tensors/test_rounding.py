"""Rounding to the dtypes of checkpoints, against torch's casts. A sample of all floats."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.numbers import numbers_of
from git_theta.tensors.rounding import OVERFLOW, round_numbers

NARROW = [name for name, limit in OVERFLOW.items() if limit < np.inf]


def near(name: str) -> Any:
    """Every finite number of a dtype, what lies half way between neighbours, and the floats on both sides of all."""
    dtype = BY_NAME[name]
    values = numbers_of(np.arange(1 << dtype.bits, dtype=f"u{dtype.bits // 8}"), dtype)
    finite = np.unique(values[np.isfinite(values)])
    halves = (finite[:-1].astype(np.float64) + finite[1:]) / 2
    points = np.concatenate([finite, halves.astype(np.float32)])
    return np.concatenate([points, np.nextafter(points, np.float32(np.inf)), np.nextafter(points, np.float32(-np.inf))])


def any_bits() -> Any:
    """Floats of every exponent and sign, infinities among them, and no NaN."""
    drawn = np.random.default_rng(1).integers(0, 1 << 32, 1 << 20, np.uint32).view(np.float32)
    return np.concatenate([drawn[~np.isnan(drawn)], np.array([0.0, -0.0, np.inf, -np.inf], np.float32)])


def as_torch_casts(values: Any, name: str) -> Any:
    dtype = BY_NAME[name]
    cast = torch.from_numpy(values).to(getattr(torch, dtype.torch))
    return cast.view(getattr(torch, f"int{dtype.bits}")).numpy().view(f"u{dtype.bits // 8}")


@pytest.mark.parametrize("name", NARROW)
def test_the_bits_are_those_of_torchs_casts(name: str) -> None:
    for values in (near(name), any_bits()):
        rounded = round_numbers(values, BY_NAME[name])
        assert rounded.dtype == f"u{BY_NAME[name].bits // 8}"
        np.testing.assert_array_equal(rounded, as_torch_casts(values, name))


@pytest.mark.parametrize("name", NARROW)
def test_what_is_below_the_limit_is_finite_and_what_is_there_is_not_rounded_down(name: str) -> None:
    limit = np.float32(OVERFLOW[name])
    below = np.nextafter(limit, np.float32(0))
    for sign in (1, -1):
        inside, outside = (
            numbers_of(round_numbers(np.array([sign * value], np.float32), BY_NAME[name]), BY_NAME[name])[0]
            for value in (below, np.nextafter(limit, np.float32(np.inf)))
        )
        assert np.isfinite(inside)
        assert not abs(outside) < abs(inside)


@pytest.mark.parametrize("name", ["F32", "F64"])
def test_what_has_to_lose_nothing_is_a_view(name: str) -> None:
    values = np.array([1.5, -0.0, 1e-310], f"f{BY_NAME[name].bits // 8}")
    rounded = round_numbers(values, BY_NAME[name])
    assert np.shares_memory(rounded, values)
    assert rounded.tobytes() == values.tobytes()


@pytest.mark.parametrize("name", [*NARROW, "F32"])
def test_nothing_becomes_nothing(name: str) -> None:
    assert len(round_numbers(np.empty(0, np.float32), BY_NAME[name])) == 0
