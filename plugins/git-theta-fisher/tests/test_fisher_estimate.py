"""Fisher information from gradients, against what can be written down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from git_theta.errors import UsageError

from git_theta_fisher.fisher_estimate import estimate_fisher

torch = pytest.importorskip("torch", reason="gradients are torch's")


def test_it_is_the_mean_of_squared_gradients() -> None:
    weight, unused = torch.tensor([1.0, -2.0], requires_grad=True), torch.zeros(3, requires_grad=True)
    rows = torch.tensor([[1.0, 2.0], [3.0, -1.0], [0.5, 0.0]])
    found = estimate_fisher({"w": weight, "unused": unused}, ((row @ weight) * 2 for row in rows))
    torch.testing.assert_close(found["w"], ((2 * rows) ** 2).mean(0))
    assert found["unused"].tolist() == [0, 0, 0]


def test_it_is_that_of_a_gaussian_in_the_long_run() -> None:
    """Of the mean of normal numbers of variance s: 1 / s."""
    torch.manual_seed(1)
    mean = torch.zeros((), requires_grad=True, dtype=torch.float64)
    losses = ((sample - mean) ** 2 / (2 * 4) for sample in torch.randn(4000, dtype=torch.float64) * 2)
    assert estimate_fisher({"m": mean}, losses)["m"].item() == pytest.approx(1 / 4, rel=0.1)


def test_halves_are_squared_in_fp32() -> None:
    weight = torch.ones(2, dtype=torch.bfloat16, requires_grad=True)
    found = estimate_fisher({"w": weight}, [weight.sum() * 3])
    assert found["w"].dtype == torch.float32
    assert found["w"].tolist() == [9, 9]


def test_so_many_are_taken_and_no_more() -> None:
    weight = torch.ones((), requires_grad=True)
    taken = []

    def losses() -> Iterator[Any]:
        for number in range(10):
            taken.append(number)
            yield weight * number

    assert estimate_fisher({"w": weight}, losses(), 3)["w"].item() == pytest.approx((0 + 1 + 4) / 3)
    assert taken == [0, 1, 2]


@pytest.mark.parametrize(
    ("losses", "reason"),
    [
        ([], "no loss"),
        ([torch.ones(2, requires_grad=True)], r"shape \[2\]"),
        ([torch.ones(())], "not computed from"),
        ([3.0], "no tensor of torch but float"),
        ([torch.tensor(float("nan"), requires_grad=True)], "nan"),
    ],
)
def test_what_is_no_loss_is_refused(losses: list[Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        estimate_fisher({"w": torch.ones((), requires_grad=True)}, losses)
