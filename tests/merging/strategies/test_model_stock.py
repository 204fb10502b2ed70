"""Model stock where geometry is delicate."""

from __future__ import annotations

import math

import torch

from git_theta import merge_tensors
from tests.merging.strategies.cases import contest, merge, same_bytes


def test_model_stock_of_orthogonal_changes_stays_at_the_base() -> None:
    base = torch.tensor([5.0, 5.0])
    asked = contest("model-stock", [base + torch.tensor([1.0, 0.0]), base + torch.tensor([0.0, 1.0])], base)
    assert merge("model-stock", asked).tolist() == [5.0, 5.0]
    assert asked.report.facts == {"cosine": 0.0, "t": 0.0}


def test_model_stock_of_parallel_changes_is_their_mean() -> None:
    base = torch.zeros(3)
    merged = merge_tensors("model-stock", [base + 1, base + 3], base)
    torch.testing.assert_close(merged, torch.full((3,), 2.0))


def test_model_stock_of_opposite_changes_keeps_the_base_and_says_so() -> None:
    base = torch.tensor([5.0, 7.0])
    asked = contest("model-stock", [base + 1, base - 2], base)
    assert same_bytes(merge("model-stock", asked), base)
    assert "opposite" in asked.report.notes[0]


def test_model_stock_by_the_formula_for_three() -> None:
    base = torch.zeros(2)
    heads = [torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1.0]), torch.tensor([0.0, 2.0])]
    c = (math.sqrt(0.5) + math.sqrt(0.5) + 0.0) / 3
    t = 3 * c / (1 + 2 * c)
    torch.testing.assert_close(merge_tensors("model-stock", heads, base), t * torch.tensor([2 / 3, 1.0]))
