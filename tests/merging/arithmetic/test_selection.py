"""Radix selection, against a stable sort."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from git_theta.merging.arithmetic.brackets import Magnitudes
from git_theta.merging.arithmetic.selection import Cut, Keeper, cuts, magnitudes
from tests.merging.array_libraries import FROM_NUMPY

SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.0**-149, -(2.0**-149), 1.5, -1.5, 3e38, float("inf"), -float("inf"), float("nan")]


def largest(values: Tensor, count: int) -> Tensor:
    """What a stable sort by magnitude keeps: NaN largest, lower indices first."""
    keys = np.where(np.isnan(values.numpy()), np.inf, np.abs(values.numpy().astype(np.float64)))
    order = np.lexsort((np.arange(len(keys)), -keys, ~np.isnan(values.numpy())))
    kept = torch.zeros(len(values), dtype=torch.bool)
    kept[order[:count].copy()] = True
    return kept


def keep(tensors: Sequence[Tensor], ranks: Sequence[int], chunk: int, library: str) -> dict[str, list[Tensor]]:
    """For each tensor and rank, what is kept of one head."""
    wide = tensors[0].dtype == torch.float64
    named = {f"t{index:02}": tensor for index, tensor in enumerate(tensors)}

    def cut(tensor: Tensor) -> Iterator[Any]:
        return (magnitudes(FROM_NUMPY[library](piece.numpy()), wide=wide) for piece in torch.split(tensor, chunk))

    def read(tensor: Tensor) -> Iterator[Sequence[Any]]:
        return ([piece] for piece in cut(tensor) if len(piece))

    sources = {name: Magnitudes(partial(read, tensor), len(tensor)) for name, tensor in named.items()}
    found = cuts(sources, [ranks], wide=wide)
    return {
        name: [
            torch.cat([torch.as_tensor(keeper.mask(piece) == -1) for piece in cut(named[name])])
            for keeper in map(Keeper, heads[0])
        ]
        for name, heads in found.items()
    }


values = st.lists(st.sampled_from(SPECIAL) | st.floats(width=32), min_size=1, max_size=60)


@pytest.mark.parametrize("library", FROM_NUMPY)
@settings(max_examples=150, deadline=None)
@given(values, st.data(), st.sampled_from([torch.float32, torch.float64]), st.integers(1, 9))
def test_exactly_k_are_kept_and_ties_go_to_the_lower_index(
    library: str, numbers: list[float], data: st.DataObject, dtype: torch.dtype, chunk: int
) -> None:
    tensor = torch.tensor(numbers, dtype=dtype)
    ranks = data.draw(st.lists(st.integers(0, len(tensor)), min_size=1, max_size=3))
    for rank, kept in zip(ranks, keep([tensor], ranks, chunk, library)["t00"], strict=True):
        assert int(kept.sum()) == rank
        assert torch.equal(kept, largest(tensor, rank))


@settings(max_examples=100, deadline=None)
@given(st.lists(values, min_size=1, max_size=4), st.data(), st.integers(1, 9))
def test_one_rank_over_many_tensors_is_that_of_all_of_them_joined(
    lists: list[list[float]], data: st.DataObject, chunk: int
) -> None:
    tensors = [torch.tensor(numbers) for numbers in lists]
    joined = torch.cat(tensors)
    rank = data.draw(st.integers(0, len(joined)))
    kept = torch.cat([head for (head,) in keep(tensors, [rank], chunk, "numpy").values()])
    assert torch.equal(kept, largest(joined, rank))


def test_an_empty_tensor_among_others_takes_part() -> None:
    kept = keep([torch.tensor([1.0, 1.0]), torch.empty(0), torch.tensor([1.0, 1.0])], [3], 10, "numpy")
    assert [head.tolist() for (head,) in kept.values()] == [[True, True], [], [True, False]]


@pytest.mark.parametrize("library", FROM_NUMPY)
@pytest.mark.parametrize("wide", [False, True])
def test_magnitudes_are_in_the_order_of_values_and_nans_are_alike(library: str, wide: bool) -> None:
    values = np.array([0.0, -(2.0**-149), 1e-30, -1.0, 3e38, -float("inf"), float("nan")], np.float32)
    found = magnitudes(FROM_NUMPY[library](values), wide=wide).tolist()
    assert found == sorted(set(found))
    payload = np.array([0x7FC00001, -1, 0x7F800001], np.int32).view(np.float32)
    with np.errstate(invalid="ignore"):
        assert set(magnitudes(FROM_NUMPY[library](payload), wide=wide).tolist()) == {found[-1]}


def test_a_cut_of_minus_one_keeps_zeros() -> None:
    assert Keeper(Cut(-1)).mask(magnitudes(np.zeros(2, np.float32), wide=False)).tolist() == [-1, -1]
