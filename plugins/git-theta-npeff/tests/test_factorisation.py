"""Both factorisations: the loss as the paper writes it, matrices and all, and components that were planted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="Fishers are torch's")
torch.set_num_threads(1)  # matrices of ours are small, and threads that wait for a core wait for long

from git_theta_npeff.diagonal_factors import fit_diagonals  # noqa: E402 (without torch there is nothing to test)
from git_theta_npeff.example_fishers import ExampleFishers, collect_fishers  # noqa: E402
from git_theta_npeff.factors import Factors, Form, multiply_update  # noqa: E402
from git_theta_npeff.low_rank_factors import _find_lowest, _Problem, fit_low_rank  # noqa: E402

EXAMPLES, ELEMENTS, PLANTED = 30, 20, 3


def plant_fishers(form: Form) -> tuple[ExampleFishers, Any]:
    """Fishers that are sums of few sparse components, which have nothing in common; and these."""
    generator = torch.Generator().manual_seed(1)
    components = torch.rand(PLANTED, ELEMENTS, generator=generator, dtype=torch.float64)
    components *= (torch.arange(ELEMENTS) % PLANTED == torch.arange(PLANTED)[:, None]).double()
    components /= components.norm(dim=1, keepdim=True)
    weights = torch.rand(EXAMPLES, PLANTED, generator=generator, dtype=torch.float64) ** 3
    powers = components.square() if form == "low-rank" else components
    factors = [(row[:, None] * powers).sqrt() for row in weights]
    return collect_fishers(factors, form, ELEMENTS * PLANTED), components


def draw_fishers(form: Form) -> ExampleFishers:
    """Fishers without any structure."""
    generator = torch.Generator().manual_seed(2)
    return collect_fishers((torch.randn(2, 12, generator=generator) for _ in range(9)), form, 15)


def split_examples(fishers: ExampleFishers) -> Any:
    """A^T of each example."""
    return fishers.rows.to_dense().reshape(len(fishers.norms), fishers.classes, -1)


def compute_loss(fishers: ExampleFishers, found: Factors) -> float:
    """The sum over examples of the squared Frobenius norm of what is not explained, from full matrices."""
    loss = 0.0
    for number, held in enumerate(split_examples(fishers)):
        if found.form == "low-rank":
            rest = held.T @ held - sum(
                w * torch.outer(g, g) for w, g in zip(found.weights[number], found.components, strict=True)
            )
        else:
            rest = held[0] - found.weights[number] @ found.components
        loss += float(rest.square().sum())
    return loss


FITS: dict[Form, Callable[..., Factors]] = {"low-rank": fit_low_rank, "diagonal": fit_diagonals}
both = pytest.mark.parametrize("form", FITS)


@both
def test_no_step_raises_the_loss_and_no_coefficient_is_below_0(form: Form) -> None:
    fishers = draw_fishers(form)
    found = FITS[form](fishers, 4, 60)
    assert found.losses[0] <= fishers.total * 4
    assert all(
        after <= before + 1e-12 * fishers.total for before, after in zip(found.losses, found.losses[1:], strict=False)
    )
    assert found.losses[-1] < found.losses[5] < found.losses[0]
    assert bool((found.weights >= 0).all())
    assert form == "low-rank" or bool((found.components >= 0).all())


@both
def test_the_loss_is_that_of_full_matrices(form: Form) -> None:
    fishers = draw_fishers(form)
    found = FITS[form](fishers, 3, 7)
    assert found.losses[-1] == pytest.approx(compute_loss(fishers, found), rel=1e-9)
    nothing = replace(found, weights=torch.zeros_like(found.weights))
    assert fishers.total == pytest.approx(compute_loss(fishers, nothing), rel=1e-6)


@both
def test_planted_components_are_recovered(form: Form) -> None:
    fishers, planted = plant_fishers(form)
    found = FITS[form](fishers, PLANTED, 200)
    assert found.explained > 0.999
    likeness = (planted[:, fishers.columns] @ found.components.T).abs()
    assert likeness.max(1).values.min() > 0.99
    assert sorted(likeness.argmax(1).tolist()) == list(range(PLANTED))
    assert found.weights.sum(0).diff().max() <= 0


@both
def test_a_seed_decides_all(form: Form) -> None:
    first, again, other = (FITS[form](draw_fishers(form), 3, 5, seed) for seed in (1, 1, 2))
    assert torch.equal(first.weights, again.weights)
    assert torch.equal(first.components, again.components)
    assert not torch.equal(first.weights, other.weights)


def test_the_coefficients_move_as_the_paper_says() -> None:
    """W <- W * N / (W (G G^T)^2), element by element, from the matrices themselves."""
    fishers = draw_fishers("low-rank")
    generator = torch.Generator().manual_seed(3)
    weights, directions = (
        torch.rand(9, 2, generator=generator).double(),
        torch.randn(2, 12, generator=generator).double(),
    )
    found = _Problem(fishers).update_weights(weights, directions)
    matrices = [torch.outer(one, one) for one in directions]
    for number, held in enumerate(split_examples(fishers)):
        fisher, sum_of_all = held.T @ held, sum(w * one for w, one in zip(weights[number], matrices, strict=True))
        for j, one in enumerate(matrices):
            expected = weights[number, j] * (fisher * one).sum() / (sum_of_all * one).sum()
            assert found[number, j] == pytest.approx(float(expected), rel=1e-9)


def test_directions_move_down_the_gradient_to_the_lowest_loss() -> None:
    fishers = draw_fishers("low-rank")
    generator = torch.Generator().manual_seed(4)
    weights, start = torch.rand(9, 2, generator=generator).double(), torch.randn(2, 12, generator=generator).double()
    end = _Problem(fishers).step_directions(weights, start)
    leaf = start.clone().requires_grad_()
    loss = torch.zeros((), dtype=torch.float64)
    for number, held in enumerate(split_examples(fishers)):
        loss = loss + (held.T @ held - (leaf.T * weights[number]) @ leaf).square().sum()
    (gradient,) = torch.autograd.grad(loss, [leaf])
    assert float(torch.cosine_similarity((start - end).flatten(), gradient.flatten(), dim=0)) == pytest.approx(1)

    def loss_at(share: float) -> float:
        moved = start + share * (end - start)
        return compute_loss(fishers, Factors("low-rank", weights, moved, [], 0))

    assert loss_at(1) < min(loss_at(0.99), loss_at(1.01), loss_at(0))


def test_where_nothing_is_divided_by_nothing_factors_stay() -> None:
    update = multiply_update(torch.tensor([2.0, 3.0]), torch.tensor([0.0, 4.0]), torch.tensor([0.0, 2.0]))
    assert update.tolist() == [2, 6]


@pytest.mark.parametrize(("quartic", "lowest"), [([1.0, 0, -2, 0.1], -1.0123), ([0.0, 0, 1, -2], 1), ([0.0] * 4, 0)])
def test_the_lowest_place_of_a_quartic(quartic: list[float], lowest: float) -> None:
    assert _find_lowest(quartic) == pytest.approx(lowest, abs=1e-3)


@both
def test_more_components_than_there_is_to_explain(form: Form) -> None:
    fishers = collect_fishers([torch.zeros(2, 5), torch.eye(2, 5)], form, 3)
    found = FITS[form](fishers, 6, 100)
    assert bool(torch.isfinite(found.weights).all())
    assert bool(torch.isfinite(found.components).all())
    assert found.explained > 0.99
    assert found.weights[0].sum() < 0.01
