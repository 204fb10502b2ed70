"""Adapters merged by the products of their factors, against numpy's own singular values."""

from __future__ import annotations

import hashlib
from itertools import permutations

import numpy as np
import pytest
import torch
from torch import Tensor

from git_theta import merge_state_dicts
from git_theta.tensors.low_rank import factor_product
from tests.merging.strategies.cases import Array, same_bytes

DIGEST = "f754d22aef508c7066daf92dd877dde8555a9a1fae357e269cecda10aa320c5a"
A, B = "m.q.lora_A.default.weight", "m.q.lora_B.default.weight"


def adapter(
    seed: int, rank: int = 4, rows: int = 30, columns: int = 20, dtype: torch.dtype = torch.float32
) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        A: torch.randn(rank, columns, generator=generator).to(dtype),
        B: torch.randn(rows, rank, generator=generator).to(dtype),
    }


def product(one: dict[str, Tensor]) -> Array:
    first, second = one[A].double().numpy(), one[B].double().numpy()
    return np.asarray(second.reshape(len(second), -1) @ first.reshape(len(first), -1))


def truncated(matrix: Array, rank: int) -> Array:
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    return np.asarray((left[:, :rank] * values[:rank]) @ right[:rank])


@pytest.mark.parametrize("weights", [None, [1.0, 3.0]])
def test_the_mean_of_the_products_is_factored_at_the_rank(weights: list[float] | None) -> None:
    base, ours, theirs = map(adapter, range(3))
    merged = merge_state_dicts("adapter-svd", [ours, theirs], base, weights)
    shares = np.array(weights or [1, 1]) / sum(weights or [1, 1])
    mean = shares[0] * product(ours) + shares[1] * product(theirs)
    np.testing.assert_allclose(product(merged), truncated(mean, 4), atol=1e-5)
    np.testing.assert_allclose(merged[A] @ merged[A].T, np.eye(4), atol=1e-6)
    largest = merged[A].abs().argmax(dim=1)
    assert bool((merged[A][range(4), largest] > 0).all())
    with pytest.warns(UserWarning, match="weighted of each factor is not that of their products; adapter-svd"):
        apart = merge_state_dicts("weighted", [ours, theirs], base, weights)
    assert np.linalg.norm(product(apart) - mean) > np.linalg.norm(product(merged) - mean)


def test_what_fits_at_the_rank_is_exact() -> None:
    """The same directions on both sides: the mean of the products has the rank of one."""
    ours, base = adapter(1), adapter(0)
    theirs = {A: ours[A], B: ours[B] * 3}
    merged = merge_state_dicts("adapter-svd", [ours, theirs], base)
    np.testing.assert_allclose(product(merged), 2 * product(ours), atol=1e-5)


def test_one_factor_each_is_not_settled_by_ids() -> None:
    """Ours trained A, theirs B: their product with each other is what nobody trained."""
    base, other = adapter(0), adapter(1)
    ours, theirs = {A: other[A], B: base[B]}, {A: base[A], B: other[B]}
    merged = merge_state_dicts("adapter-svd", [ours, theirs], base)
    np.testing.assert_allclose(product(merged), truncated((product(ours) + product(theirs)) / 2, 4), atol=1e-5)


def test_what_one_side_alone_changed_is_that_to_the_byte() -> None:
    base, ours = adapter(0), adapter(1)
    merged = merge_state_dicts("adapter-svd", [base, ours | {A: base[A]}], base)
    assert same_bytes(merged[A], base[A])
    assert same_bytes(merged[B], ours[B])


def test_no_word_where_one_factor_is_the_same_everywhere() -> None:
    base, ours, theirs = adapter(0), adapter(1), adapter(2)
    heads = [one | {A: base[A]} for one in (ours, theirs)]
    merged = merge_state_dicts("average", heads, base)
    np.testing.assert_allclose(product(merged), (product(heads[0]) + product(heads[1])) / 2, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_l9_the_order_of_heads_changes_no_byte(dtype: torch.dtype) -> None:
    base, *heads = (adapter(seed, dtype=dtype) for seed in range(4))
    weights = [0.5, 1.0, 2.0]
    found = [
        merge_state_dicts("adapter-svd", [heads[at] for at in order], base, [weights[at] for at in order])
        for order in permutations(range(3))
    ]
    assert all(same_bytes(found[0][name], other[name]) for other in found for name in (A, B))
    assert found[0][A].dtype == dtype


def test_l9_threads_and_blas_change_no_byte() -> None:
    """The bits of one machine, kept: nothing here may depend on a processor or a library."""
    rows = np.sin(np.arange(8 * 50, dtype=np.int64) % 97).reshape(8, 50).round(6)
    columns = np.cos(np.arange(8 * 40, dtype=np.int64) % 89).reshape(8, 40).round(6)
    found = factor_product(rows, columns, 4)
    digest = hashlib.sha256(np.ascontiguousarray(found.left).tobytes() + np.ascontiguousarray(found.right).tobytes())
    assert digest.hexdigest() == DIGEST


def test_convolutions_and_embeddings_are_products_too() -> None:
    down, up = "c.lora_down.weight", "c.lora_up.weight"

    def convolution(seed: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        shapes = {down: (2, 3, 3, 3), up: (5, 2, 1, 1)}
        return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}

    base, ours, theirs = map(convolution, range(3))
    merged = merge_state_dicts("adapter-svd", [ours, theirs], base)
    as_pair = [{A: one[down], B: one[up]} for one in (merged, ours, theirs)]
    wanted = truncated((product(as_pair[1]) + product(as_pair[2])) / 2, 2)
    np.testing.assert_allclose(product(as_pair[0]), wanted, atol=1e-5)
    assert merged[down].shape == (2, 3, 3, 3)


def test_what_is_no_factor_is_merged_as_weighted_does() -> None:
    heads = [{"head.weight": torch.full((2,), value)} for value in (1.0, 4.0)]
    merged = merge_state_dicts("adapter-svd", heads, {"head.weight": torch.zeros(2)}, [2, 1])
    assert merged["head.weight"].tolist() == [2.0, 2.0]


def test_factors_that_are_not_finite_make_nan_and_an_untrained_adapter_stays_finite() -> None:
    base, ours, theirs = map(adapter, range(3))
    ours[A][0, 0] = float("inf")
    merged = merge_state_dicts("adapter-svd", [ours, theirs], base)
    assert bool(merged[A].isnan().all())
    fresh = [one | {B: torch.zeros(30, 4)} for one in (theirs, base)]
    merged = merge_state_dicts("adapter-svd", [fresh[0], fresh[1]], adapter(5))
    assert bool((merged[B] == 0).all())
    assert bool(merged[A].isfinite().all())
