"""Sums over tensors: exact enough, and the same however they are cut."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from git_theta.merging.reductions import BLOCK, PairwiseSum


def total(terms: torch.Tensor, chunk: int) -> float:
    pairwise = PairwiseSum()
    for piece in torch.split(terms, chunk):
        pairwise.add(piece)
    return pairwise.value()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5 * BLOCK), st.integers(1, 2 * BLOCK), st.integers(0, 2**32))
def test_the_sum_is_that_of_fsum_and_does_not_depend_on_chunks(size: int, chunk: int, seed: int) -> None:
    terms = torch.randn(size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    found = total(terms, chunk)
    assert found == total(terms, size)
    assert abs(found - math.fsum(terms.tolist())) <= 2**-53 * 40 * float(terms.abs().sum())


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 7 * BLOCK])
def test_whole_numbers_are_summed_exactly(size: int) -> None:
    assert total(torch.arange(size, dtype=torch.float64), 1000) == size * (size - 1) / 2


def test_many_small_ones_are_not_lost_beside_a_large_one() -> None:
    """One after the other, each 1.0 would vanish beside 2**53."""
    terms = torch.ones(BLOCK * 4, dtype=torch.float64)
    terms[0] = 2.0**53
    assert total(terms, 999) == 2.0**53 + 4 * BLOCK - 2
