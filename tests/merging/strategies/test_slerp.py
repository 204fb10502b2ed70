"""Slerp where geometry is delicate."""

from __future__ import annotations

import math

import pytest
import torch

from git_theta import merge_tensors
from tests.merging.strategies.cases import contest, merge


def test_slerp_keeps_the_length_of_orthogonal_vectors() -> None:
    asked = contest("slerp", [torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])], t=1 / 3)
    merged = merge("slerp", asked)
    torch.testing.assert_close(merged, torch.tensor([math.cos(math.pi / 6), math.sin(math.pi / 6)]))
    assert asked.report.facts == {"cosine": 0.0}
    assert asked.report.notes == []


@pytest.mark.parametrize(("t", "side"), [(0.0, 0), (1.0, 1)])
def test_slerp_arrives_at_both_ends(t: float, side: int) -> None:
    heads = [torch.randn(50, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)]
    torch.testing.assert_close(merge_tensors("slerp", heads, t=t), heads[side])


def test_slerp_of_parallel_vectors_is_linear() -> None:
    x = torch.arange(1.0, 9.0)
    assert torch.equal(merge_tensors("slerp", [x, 3 * x], t=0.25), 1.5 * x)


def test_slerp_of_opposite_vectors_is_linear_and_says_so() -> None:
    asked = contest("slerp", [torch.ones(4), -torch.ones(4)], t=0.25)
    assert merge("slerp", asked).tolist() == [0.5] * 4
    assert asked.report.facts["cosine"] == -1.0
    assert "opposite" in asked.report.notes[0]


@pytest.mark.parametrize("value", [0.0, float("inf"), float("nan")])
def test_slerp_where_there_is_no_angle_is_linear_and_says_so(value: float) -> None:
    asked = contest("slerp", [torch.tensor([value, 0.0]), torch.tensor([0.0, 1.0])])
    merged = merge("slerp", asked)
    assert merged[1] == 0.5
    assert torch.equal(merged[0], torch.tensor(value / 2)) or math.isnan(value)
    assert "there is no angle" in asked.report.notes[0]


def test_slerp_survives_squares_that_overflow_fp32() -> None:
    merged = merge_tensors("slerp", [torch.tensor([3e38, 0.0]), torch.tensor([0.0, 3e38])])
    assert bool(merged.isfinite().all())
