"""Differences of matrices as products of thin ones, against numpy's own decomposition."""

from __future__ import annotations

import numpy as np
import pytest

from git_theta.tensors.arrays import BLOCK
from git_theta.tensors.difference_factors import count_differing, factor_difference, sum_squares
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues


def values(array: np.ndarray) -> MemoryValues:
    return MemoryValues(Spec(BY_NAME["F32"], array.shape), array.astype("<f4").tobytes())


@pytest.mark.parametrize("shape", [(30, 70), (70, 30), (1, 9), (700, 400)])
def test_the_product_is_as_near_as_the_best_of_its_rank(shape: tuple[int, int]) -> None:
    """The last shape is read in several runs of rows."""
    assert shape != (700, 400) or BLOCK < 4 * 700 * 400
    generator = np.random.default_rng(0)
    before = generator.standard_normal(shape, dtype=np.float32)
    change = generator.standard_normal((shape[0], 3)) @ generator.standard_normal((3, shape[1]))
    after = (before + change + 0.001 * generator.standard_normal(shape)).astype(np.float32)
    rank = min(3, *shape)
    up, down = factor_difference(values(before), values(after), rank)
    assert up.shape == (shape[0], rank) and down.shape == (rank, shape[1])
    difference = after.astype(float) - before
    best = np.sqrt((np.linalg.svd(difference, compute_uv=False)[rank:] ** 2).sum())
    assert np.linalg.norm(difference - up @ down) <= 1.0001 * best + 1e-9


def test_what_is_not_finite_counts_as_no_difference() -> None:
    before, after = np.zeros((4, 4), np.float32), np.zeros((4, 4), np.float32)
    after[0, 0], after[1, 1], before[2, 2], after[2, 2] = np.nan, np.inf, np.inf, np.inf
    after[3, 0] = 2
    up, down = factor_difference(values(before), values(after), 1)
    assert np.allclose(up @ down, np.where(np.isfinite(after), after, 0), atol=1e-12)
    assert sum_squares(values(before), values(after)) == 4
    assert count_differing(values(before), values(after)) == 3
