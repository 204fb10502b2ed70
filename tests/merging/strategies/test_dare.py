"""DARE: what is drawn, that it is drawn again, and that it does not shift the mean."""

from __future__ import annotations

import pytest
import torch

from git_theta import merge_tensors
from tests.merging.strategies.cases import same_bytes

SIZE = 40_000


def kept(head: float, density: float) -> torch.Tensor:
    """Which elements of the first head's change are kept: the second one changes nothing but the last element."""
    other = torch.zeros(SIZE)
    other[-1] = 1
    merged = merge_tensors("dare", [torch.full((SIZE,), head), other], torch.zeros(SIZE), density=density)
    return merged[:-1] != 0


@pytest.mark.parametrize("density", [0.01, 0.1, 0.5, 0.9])
def test_the_share_kept_is_the_density_and_the_mean_stays(density: float) -> None:
    tuned = torch.full((SIZE,), 2.0)
    other = torch.full((SIZE,), -1.0)
    merged = merge_tensors("dare", [tuned, other], torch.zeros(SIZE), density=density)
    deviation = (density * (1 - density) / SIZE) ** 0.5
    assert abs(float(kept(2.0, density=density).double().mean()) - density) < 5 * deviation
    assert abs(float(merged.double().mean()) - 1.0) < 5 * deviation / density * (2**2 + 1**2) ** 0.5


def test_what_is_kept_is_divided_by_the_density() -> None:
    merged = merge_tensors("dare", [torch.ones(100), torch.full((100,), 2.0)], torch.zeros(100), density=0.25)
    assert set(merged.tolist()) <= {0.0, 4.0, 8.0, 12.0}
    assert len(set(merged.tolist())) > 1


def test_it_is_drawn_again_alike_and_otherwise_with_another_seed_name_or_tensor() -> None:
    base, a, b = torch.zeros(500), torch.ones(500), torch.full((500,), 2.0)
    first = merge_tensors("dare", [a, b], base, seed=1, name="x", density=0.5)
    assert same_bytes(first, merge_tensors("dare", [a, b], base, seed=1, name="x", density=0.5))
    assert not same_bytes(first, merge_tensors("dare", [a, b], base, seed=2, name="x", density=0.5))
    assert not same_bytes(first, merge_tensors("dare", [a, b], base, seed=1, name="y", density=0.5))
    assert not torch.equal(kept(1.0, density=0.5), kept(2.0, density=0.5))


def test_two_heads_with_the_same_tensor_are_drawn_apart() -> None:
    """With one mask for both, an element would get both of their changes or none."""
    base, tuned, other = torch.zeros(200), torch.ones(200), torch.zeros(200)
    other[-1] = 5
    merged = merge_tensors("dare", [tuned, tuned.clone(), other], base, density=0.5)
    assert set(merged[:-1].tolist()) == {0.0, 2.0, 4.0}


def test_golden_bytes() -> None:
    """A merge that somebody made must come out the same for ever."""
    heads = [torch.arange(8.0), torch.arange(8.0).flip(0)]
    merged = merge_tensors("dare", heads, torch.zeros(8), seed=11, name="layer.weight", density=0.5)
    assert merged.tolist() == [0.0, 12.0, 0.0, 8.0, 8.0, 4.0, 0.0, 0.0]


def test_dare_ties_elects_a_sign_among_what_is_kept() -> None:
    base, a, b = torch.zeros(2000), torch.full((2000,), 3.0), torch.full((2000,), -1.0)
    merged = merge_tensors("dare-ties", [a, b], base, density=0.5)
    assert set(merged.tolist()) == {0.0, 6.0, -2.0}
