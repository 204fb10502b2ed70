"""The reward is the cosine of two gradients."""

from __future__ import annotations

import pytest
from git_theta.errors import UsageError

from git_theta_flad import measure_alignment

torch = pytest.importorskip("torch", reason="gradients are torch's")


def test_it_is_the_cosine_over_all_parameters() -> None:
    ours = [torch.tensor([[1.0, 2.0]]), torch.tensor([3.0])]
    theirs = [torch.tensor([[2.0, 0.5]]), torch.tensor([-4.0])]
    flat = [torch.cat([one.flatten() for one in part]) for part in (ours, theirs)]
    assert measure_alignment(ours, theirs) == pytest.approx(float(torch.cosine_similarity(*flat, dim=0)), rel=1e-6)
    assert measure_alignment(ours, ours) == pytest.approx(1)
    assert measure_alignment(ours, [-2 * one for one in ours]) == pytest.approx(-1)


def test_halves_are_multiplied_in_fp64() -> None:
    small = [torch.full((1000,), 1e-4, dtype=torch.float16)]
    assert measure_alignment(small, small) == pytest.approx(1)


def test_no_gradient_is_aligned_with_none() -> None:
    assert measure_alignment([torch.zeros(3)], [torch.ones(3)]) == 0


def test_gradients_of_other_parameters_are_refused() -> None:
    with pytest.raises(UsageError, match="not of the same parameters"):
        measure_alignment([torch.zeros(3)], [torch.zeros(2)])
