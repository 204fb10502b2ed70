"""Fishers of examples against their definition, and what is kept of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from git_theta.errors import UsageError

torch = pytest.importorskip("torch", reason="gradients are torch's")

from git_theta_npeff.example_fishers import collect_fishers  # noqa: E402 (see above)
from git_theta_npeff.gradient_factors import yield_factors  # noqa: E402

INPUTS = torch.tensor([[1.0, -2.0, 0.5], [0.0, 1.0, 3.0]])


def make_layer() -> Any:
    torch.manual_seed(0)
    return torch.nn.Linear(3, 4)


def compute_fisher(layer: Any, example: Any) -> Any:
    """The sum over classes of p times the outer product of the gradient of log p."""
    total = torch.zeros(16, 16)
    for label, chance in enumerate(torch.softmax(layer(example), -1)):
        log = torch.log_softmax(layer(example), -1)[label]
        flat = torch.cat([one.flatten() for one in torch.autograd.grad(log, list(layer.parameters()))])
        total += chance.detach() * torch.outer(flat, flat)
    return total


def test_a_factor_is_that_of_the_fisher_by_its_definition() -> None:
    layer = make_layer()
    for output in (layer(INPUTS), SimpleNamespace(logits=layer(INPUTS))):
        factors = list(yield_factors(list(layer.parameters()), [output], 10))
        assert [one.shape for one in factors] == [(4, 16)] * 2
        for factor, example in zip(factors, INPUTS, strict=True):
            torch.testing.assert_close(factor.T @ factor, compute_fisher(layer, example))


def test_of_many_classes_the_most_probable_are_taken() -> None:
    layer = make_layer()
    parameters = list(layer.parameters())
    (whole,) = yield_factors(parameters, [layer(INPUTS[:1])], 4)
    (two,) = yield_factors(parameters, [layer(INPUTS[:1])], 2)
    torch.testing.assert_close(two, whole[:2])


@pytest.mark.parametrize("form", ["low-rank", "diagonal"])
def test_each_is_scaled_to_length_1_and_its_norm_is_kept(form: Any) -> None:
    layer = make_layer()
    found = collect_fishers(yield_factors(list(layer.parameters()), [layer(INPUTS)], 4), form, 1000)
    for number, (held, example) in enumerate(
        zip(found.rows.to_dense().reshape(2, found.classes, -1), INPUTS, strict=True)
    ):
        fisher = compute_fisher(layer, example).double()
        whole = torch.zeros(found.classes, 16, dtype=torch.float64)
        whole[:, found.columns] = held
        wanted, got = (fisher, whole.T @ whole) if form == "low-rank" else (fisher.diag(), whole[0])
        assert float(found.norms[number]) == pytest.approx(float(wanted.norm()), rel=1e-5)
        torch.testing.assert_close(got, wanted / wanted.norm(), rtol=1e-4, atol=1e-6)
    assert found.total == pytest.approx(2, rel=1e-5)


def test_the_largest_elements_are_kept_and_columns_without_any_are_left_out() -> None:
    found = collect_fishers([torch.tensor([[0.0, 3, 0, -4], [0, 1, 0, 2]]), torch.eye(2, 4) * 5], "low-rank", 2)
    assert found.columns.tolist() == [0, 1, 3]
    dense = found.rows.to_dense() * found.norms.sqrt().repeat_interleave(2)[:, None]
    torch.testing.assert_close(dense[0], torch.tensor([0.0, 3, -4], dtype=torch.float64), rtol=1e-6, atol=0)
    assert dense[1].tolist() == [0, 0, 0]


def test_an_example_that_depends_on_nothing_has_nothing() -> None:
    found = collect_fishers([torch.zeros(2, 3), torch.ones(2, 3)], "low-rank", 6)
    assert found.norms[0] == 0
    assert found.rows.to_dense()[:2].abs().sum() == 0


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("text", "no tensor of torch but str"),
        (torch.ones(3, requires_grad=True), r"a tensor of shape \[3\]"),
        (torch.ones(3, 1, requires_grad=True), r"a tensor of shape \[3, 1\]"),
        (torch.ones(3, 2), "what does not depend on its parameters"),
    ],
)
def test_outputs_that_are_no_logits_are_named(output: Any, reason: str) -> None:
    with pytest.raises(UsageError, match=f"the model gave {reason}"):
        list(yield_factors([], [output], 3))


@pytest.mark.parametrize(
    ("factors", "reason"),
    [
        ([], "there was no example"),
        ([torch.zeros(2, 3)], "no example depends on the parameters"),
        ([torch.ones(2, 3), torch.full((2, 3), float("nan"))], "gradients of example 1 are not finite"),
        ([torch.ones(2, 3), torch.ones(3, 3)], "example 1 has other classes"),
    ],
)
def test_what_cannot_be_collected_is_named(factors: Any, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        collect_fishers(factors, "low-rank", 6)
