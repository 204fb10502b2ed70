"""TIES against the code of the paper and of mergekit, written down literally, and its two scopes."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from git_theta import merge_state_dicts, merge_tensors
from git_theta.merging.catalogue import load_strategy
from tests.merging.strategies.cases import contest, merge, same_bytes

StateDict = dict[str, Tensor]


def checkpoints(seed: int, heads: int = 3) -> tuple[StateDict, list[StateDict]]:
    """Three parameters whose changes are distinct multiples of 2**-12: exact in fp32, and no two magnitudes alike."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {"b.weight": (9, 5), "a.weight": (7, 4), "c.bias": (11,)}
    sizes = [math.prod(shape) for shape in shapes.values()]
    base = {name: torch.randint(-4096, 4096, shape, generator=generator) / 4096 for name, shape in shapes.items()}

    def fine_tune() -> StateDict:
        change = (torch.randperm(sum(sizes), generator=generator) + 1) / 4096
        change = change * (torch.randint(0, 2, change.shape, generator=generator) * 2 - 1)
        pieces = torch.split(change, sizes)
        return {name: base[name] + piece.view(shapes[name]) for name, piece in zip(shapes, pieces, strict=True)}

    return base, [fine_tune() for _ in range(heads)]


def paper(base: Tensor, heads: list[Tensor], k: float) -> Tensor:
    """ties_minimal.ipynb of prateeky2806/ties-merging, function by function, on flat vectors, with lambda 1."""

    def topk_values_mask(m: Tensor, k: float) -> Tensor:
        d = m.shape[1]
        k = int(d * k)
        k = d - k
        kth_values, _ = m.abs().kthvalue(k, dim=1, keepdim=True)
        return m * (m.abs() >= kth_values)

    def resolve_sign(tensor: Tensor) -> Tensor:
        sign_to_mult = torch.sign(tensor.sum(dim=0))
        majority_sign = torch.sign(sign_to_mult.sum())
        sign_to_mult[sign_to_mult == 0] = majority_sign
        return sign_to_mult

    def disjoint_mean(tensor: Tensor, sign_to_mult: Tensor) -> Tensor:
        rows_to_keep = torch.where(sign_to_mult.unsqueeze(0) > 0, tensor > 0, tensor < 0)
        selected_entries = tensor * rows_to_keep
        non_zero_counts = (selected_entries != 0).sum(dim=0)
        return torch.sum(selected_entries, dim=0) / torch.clamp(non_zero_counts, min=1)

    updated = topk_values_mask(torch.stack([head - base for head in heads]), k)
    return base + disjoint_mean(updated, resolve_sign(updated))


def mergekit(base: Tensor, heads: list[Tensor], density: float, weights: list[float]) -> Tensor:
    """generalized_task_arithmetic.py and sparsify.py of mergekit: magnitude, consensus sum, normalize."""
    deltas = []
    for head in heads:
        delta = head - base
        k = int(density * delta.view(-1).shape[0])
        mask = torch.zeros_like(delta)
        mask.view(-1)[torch.argsort(delta.abs().view(-1), descending=True)[:k]] = 1
        deltas.append(delta * mask)
    w = torch.tensor(weights).view(-1, *[1] * base.dim())
    weighted = torch.stack(deltas) * w
    majority_sign = (weighted.sum(dim=0) >= 0) * 2 - 1
    mask = weighted.sign() == majority_sign
    divisor = (w * mask).sum(dim=0)
    divisor[divisor.abs() < 1e-8] = 1
    return base + (weighted * mask).sum(dim=0) / divisor


def flat(state: StateDict) -> Tensor:
    return torch.cat([state[name].reshape(-1) for name in sorted(state)])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.05, 0.9), st.integers(2, 5))
def test_these_settings_are_the_papers_code(seed: int, k: float, heads: int) -> None:
    """Which keeps one more than int(d * k)."""
    base, tuned = checkpoints(seed, heads)
    size = flat(base).numel()
    merged = merge_state_dicts(
        "ties", tuned, base, density=(int(size * k) + 1.5) / size, scope="checkpoint", zero_sign="majority"
    )
    torch.testing.assert_close(flat(merged), paper(flat(base), list(map(flat, tuned)), k), rtol=0, atol=2**-22)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.1, 1), st.lists(st.integers(2, 16), min_size=3, max_size=3))
def test_these_settings_are_mergekits_ties(seed: int, density: float, eighths: list[int]) -> None:
    """Weights are eighths, so that products and sums are exact: else their order decides where changes cancel."""
    weights = [number / 8 for number in eighths]
    base, tuned = checkpoints(seed)
    merged = merge_state_dicts("ties", tuned, base, weights, density=density)
    for name, tensor in merged.items():
        expected = mergekit(base[name], [head[name] for head in tuned], density, weights)
        torch.testing.assert_close(tensor, expected, rtol=0, atol=2**-21)


@pytest.mark.parametrize("density", [0.01, 0.2, 0.5, 0.77, 1.0])
@pytest.mark.parametrize("scope", ["tensor", "checkpoint"])
def test_exactly_k_are_kept_in_each_scope_however_many_are_alike(density: float, scope: str) -> None:
    """With one head that changes, and one that changes one element more, all that is kept is seen."""
    base = {name: torch.zeros(size) for name, size in {"a": 40, "b": 60, "c": 1}.items()}
    left = {name: torch.ones_like(tensor) for name, tensor in base.items()}
    right = {name: torch.ones_like(tensor) for name, tensor in base.items()}
    for tensor in right.values():
        tensor[0] = 2.0
    merged = merge_state_dicts("ties", [left, right], base, density=density, scope=scope)
    changed = {name: int((tensor != 0).sum()) for name, tensor in merged.items()}
    if scope == "tensor":
        assert changed == {name: max(1, math.floor(density * len(tensor))) for name, tensor in base.items()}
    else:
        left_kept = math.floor(density * 101)
        assert changed["a"] == min(40, left_kept)
        assert merged["a"][: min(40, left_kept)].all()
        assert sum(changed.values()) >= left_kept


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_the_scope_changes_the_result_and_chunks_do_not(chunk: int) -> None:
    base, tuned = checkpoints(5)

    def merged(scope: str, chunk: int) -> dict[str, Tensor]:
        contests = [
            contest(
                "ties",
                [head[name] for head in tuned],
                base[name],
                name=name,
                chunk=chunk,
                scope=scope,
                zero_sign="majority",
            )
            for name in base
        ]
        return {one.name: merge("ties", one) for one in load_strategy("ties").prepare(contests)}

    whole, cut, tensor = merged("checkpoint", 10_000), merged("checkpoint", chunk), merged("tensor", chunk)
    assert all(same_bytes(whole[name], cut[name]) for name in base)
    assert not all(same_bytes(whole[name], tensor[name]) for name in base)


def test_the_order_in_which_contests_are_named_does_not_matter() -> None:
    base, tuned = checkpoints(6)
    options: dict[str, Any] = {"scope": "checkpoint", "density": 0.33}
    merged = merge_state_dicts("ties", tuned, base, **options)
    turned = merge_state_dicts("ties", [dict(reversed(head.items())) for head in tuned], base, **options)
    assert all(same_bytes(merged[name], turned[name]) for name in base)


def test_a_checkpoint_of_two_precisions_has_one_threshold() -> None:
    base = {"a": torch.zeros(3), "b": torch.zeros(3, dtype=torch.float64)}
    left = {"a": torch.tensor([5.0, 1, 2]), "b": torch.tensor([4.0, 3, 6], dtype=torch.float64)}
    merged = merge_state_dicts(
        "ties", [left, {name: -tensor / 8 for name, tensor in left.items()}], base, density=0.5, scope="checkpoint"
    )
    assert {name: tensor.tolist() for name, tensor in merged.items()} == {"a": [5, 0, 0], "b": [4, 0, 6]}


@pytest.mark.parametrize(
    ("rest", "zero_sign", "expected"),
    [
        ([4.0, 4.0], "positive", 2.0),
        ([-4.0, -4.0], "positive", 2.0),
        ([4.0, 4.0], "majority", 2.0),
        ([-4.0, -4.0], "majority", -2.0),
        ([4.0, -4.0], "majority", -2.0),  # a draw is negative, as in the paper's code
    ],
)
def test_where_changes_cancel_the_zero_sign_decides(rest: list[float], zero_sign: str, expected: float) -> None:
    left, right = torch.tensor([2.0, *rest]), torch.tensor([-2.0, *rest])
    merged = merge_tensors("ties", [left, right], torch.zeros(3), density=1.0, zero_sign=zero_sign)
    assert merged.tolist() == [expected, *rest]


def test_zeros_do_not_count_in_the_mean() -> None:
    merged = merge_tensors("ties", [torch.tensor([4.0, 1.0]), torch.tensor([0.0, 3.0])], torch.zeros(2), density=1.0)
    assert merged.tolist() == [4.0, 2.0]


def test_not_normalized_it_is_a_sum_of_those_that_agree() -> None:
    heads = [torch.tensor([4.0]), torch.tensor([2.0]), torch.tensor([-1.0])]
    assert merge_tensors("ties", heads, torch.zeros(1), normalize=False, lambda_=0.5).tolist() == [3.0]
