"""Radix selection, against a stable sort."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from git_theta.merging.brackets import Source
from git_theta.merging.selection import Cut, Keeper, cuts, magnitudes

SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.0**-149, -(2.0**-149), 1.5, -1.5, 3e38, float("inf"), -float("inf"), float("nan")]


def largest(values: Tensor, count: int) -> Tensor:
    """What a stable sort by magnitude keeps: NaN largest, lower indices first."""
    keys = np.where(np.isnan(values.numpy()), np.inf, np.abs(values.numpy().astype(np.float64)))
    order = np.lexsort((np.arange(len(keys)), -keys, ~np.isnan(values.numpy())))
    kept = torch.zeros(len(values), dtype=torch.bool)
    kept[order[:count].copy()] = True
    return kept


def keep(tensors: Sequence[Tensor], ranks: Sequence[int], chunk: int) -> dict[str, list[Tensor]]:
    """For each tensor and rank, what is kept of one head."""
    wide = tensors[0].dtype == torch.float64
    named = {f"t{index:02}": tensor for index, tensor in enumerate(tensors)}

    def read(tensor: Tensor) -> Iterator[Sequence[Tensor]]:
        for piece in torch.split(tensor, chunk) if len(tensor) else ():
            yield [magnitudes(piece, wide=wide)]

    sources = {name: Source(partial(read, tensor), len(tensor)) for name, tensor in named.items()}
    found = cuts(sources, [ranks], wide=wide)
    return {
        name: [
            torch.cat([keeper.mask(magnitudes(piece, wide=wide)) == -1 for piece in torch.split(named[name], chunk)])
            for keeper in map(Keeper, heads[0])
        ]
        for name, heads in found.items()
    }


values = st.lists(st.sampled_from(SPECIAL) | st.floats(width=32), min_size=1, max_size=60)


@settings(max_examples=150, deadline=None)
@given(values, st.data(), st.sampled_from([torch.float32, torch.float64]), st.integers(1, 9))
def test_exactly_k_are_kept_and_ties_go_to_the_lower_index(
    numbers: list[float], data: st.DataObject, dtype: torch.dtype, chunk: int
) -> None:
    tensor = torch.tensor(numbers, dtype=dtype)
    ranks = data.draw(st.lists(st.integers(0, len(tensor)), min_size=1, max_size=3))
    for rank, kept in zip(ranks, keep([tensor], ranks, chunk)["t00"], strict=True):
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
    kept = torch.cat([head for (head,) in keep(tensors, [rank], chunk).values()])
    assert torch.equal(kept, largest(joined, rank))


def test_an_empty_tensor_among_others_takes_part() -> None:
    kept = keep([torch.tensor([1.0, 1.0]), torch.empty(0), torch.tensor([1.0, 1.0])], [3], 10)
    assert [head.tolist() for (head,) in kept.values()] == [[True, True], [], [True, False]]


@pytest.mark.parametrize("wide", [False, True])
def test_magnitudes_are_in_the_order_of_values_and_nans_are_alike(wide: bool) -> None:
    tensor = torch.tensor([0.0, -(2.0**-149), 1e-30, -1.0, 3e38, -float("inf"), float("nan")])
    found = magnitudes(tensor, wide=wide).tolist()
    assert found == sorted(set(found))
    payload = torch.tensor([0x7FC00001, -1, 0x7F800001], dtype=torch.int32).view(torch.float32)
    assert set(magnitudes(payload, wide=wide).tolist()) == {found[-1]}


def test_a_cut_of_minus_one_keeps_zeros() -> None:
    assert Keeper(Cut(-1)).mask(magnitudes(torch.zeros(2), wide=False)).tolist() == [-1, -1]
