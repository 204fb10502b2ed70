"""Sums over tensors: exact enough, and the same however they are cut and whoever adds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from git_theta.merging.arithmetic.reductions import BLOCK, PairwiseSum
from tests.merging.array_libraries import FROM_NUMPY


def total(terms: Any, chunk: int, library: str = "numpy") -> float:
    pairwise = PairwiseSum()
    for start in range(0, len(terms), chunk):
        pairwise.add(FROM_NUMPY[library](terms[start : start + chunk]))
    return pairwise.value()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5 * BLOCK), st.integers(1, 50), st.integers(-1, 1), st.integers(0, 2**32))
@example(BLOCK + 1, BLOCK + 1, 0, 0)  # one by one, over the end of a block
def test_the_sum_is_that_of_fsum_and_depends_on_neither_chunks_nor_library(
    size: int, pieces: int, more: int, seed: int
) -> None:
    terms, chunk = np.random.default_rng(seed).standard_normal(size), max(1, size // pieces + more)
    found = total(terms, chunk)
    assert found == total(terms, size) == total(terms, chunk, "torch")
    assert abs(found - math.fsum(terms)) <= 2**-53 * 40 * float(abs(terms).sum())


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 7 * BLOCK])
def test_whole_numbers_are_summed_exactly(size: int) -> None:
    assert total(np.arange(size, dtype=np.float64), 1000) == size * (size - 1) / 2


def test_many_small_ones_are_not_lost_beside_a_large_one() -> None:
    """One after the other, each 1.0 would vanish beside 2**53."""
    terms = np.ones(BLOCK * 4)
    terms[0] = 2.0**53
    assert total(terms, 999) == 2.0**53 + 4 * BLOCK - 2


def test_the_order_of_additions_is_this_one() -> None:
    """Merges depend on it: halves of a block are added to each other until one number is left."""
    terms = np.random.default_rng(1).standard_normal(BLOCK)
    halves = list(terms)
    while len(halves) > 1:
        half = len(halves) // 2
        halves = [left + right for left, right in zip(halves[:half], halves[half:], strict=True)]
    assert total(terms, 77) == halves[0] != math.fsum(terms)
