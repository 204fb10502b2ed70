"""LRM-NPEFF: low-rank Fisher matrices as non-negative sums of matrices of rank 1.

Source: Matena and Raffel, NPEFF (arXiv 2310.04649), section 3. With F_i = A_i A_i^T it makes

    L = sum over examples of |F_i - sum of W_ij g_j g_j^T|^2

small, by turns: coefficients by the multiplicative update, directions by a step down their gradient,

    W <- W * N / (W (G G^T)^2),    N_ij = |A_i^T g_j|^2,    ^2 element by element
    dL/dG = 4 [((W^T W) * (G G^T)) G - sum of W_ij (A_i A_i^T g_j)]

No m by m matrix is ever made. The paper's step has a rate that has to be tuned; along a line L is a polynomial of
degree 4, so the best step is found exactly, and no step raises L. As in the authors' code, directions move alone at
first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from git_theta_npeff.factors import Factors, multiply_update

if TYPE_CHECKING:
    from torch import Tensor

    from git_theta_npeff.example_fishers import ExampleFishers

ALONE = 0.1
"""The share of the steps in which directions move alone: coefficients that fit random directions are hard to mend."""


def fit_low_rank(fishers: ExampleFishers, count: int, steps: int, seed: int = 0) -> Factors:
    """Factorise.

    Args:
        fishers: of the low-rank form.
        count: of components.
        steps: updates of both factors, after a tenth of as many of the directions alone.
        seed: of what it begins with.

    Returns:
        Directions of length 1, by falling weight.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    problem = _Problem(fishers)
    examples, columns = len(fishers.norms), len(fishers.columns)
    weights = torch.rand(examples, count, dtype=torch.float64, generator=generator)
    directions = torch.randn(count, columns, dtype=torch.float64, generator=generator)
    directions *= (2 / max(directions.numel(), 1)) ** 0.5
    losses = []
    for step in range(-round(ALONE * steps), steps):
        if step >= 0:
            weights = problem.update_weights(weights, directions)
        directions = problem.step_directions(weights, directions)
        losses.append(problem.measure_loss(weights, directions))
    return Factors("low-rank", weights, directions, losses, problem.total).normalize()


class _Problem:
    """The Fishers of all examples, and what both updates ask of them."""

    def __init__(self, fishers: ExampleFishers) -> None:
        self.rows = fishers.rows
        self.turned = fishers.turned
        self.classes = fishers.classes
        self.total = fishers.total

    def measure_loss(self, weights: Tensor, directions: Tensor) -> float:
        crossed = weights.mul(self._project(directions)).sum()
        return float(self.total - 2 * crossed + (weights.T @ weights).mul((directions @ directions.T).square()).sum())

    def update_weights(self, weights: Tensor, directions: Tensor) -> Tensor:
        overlaps = (directions @ directions.T).square()
        return multiply_update(weights, self._project(directions), weights @ overlaps)

    def step_directions(self, weights: Tensor, directions: Tensor) -> Tensor:
        """The best that lies down the gradient."""
        images = self.rows @ directions.T
        spread = weights.repeat_interleave(self.classes, 0)
        shared, overlaps = weights.T @ weights, directions @ directions.T
        gradient = (shared * overlaps) @ directions - (self.turned @ (spread * images)).T
        moved = self.rows @ gradient.T
        mixed, squares = gradient @ directions.T, gradient @ gradient.T
        # L(G - s D) = constant - 2 sum of spread (P - s Q)^2 + sum of shared (GG - s (M + M^T) + s^2 DD)^2
        first, second = -(mixed + mixed.T), squares
        step = _find_lowest([
            float((shared * second * second).sum()),
            float((2 * shared * first * second).sum()),
            float((shared * (first * first + 2 * overlaps * second)).sum() - 2 * (spread * moved * moved).sum()),
            float((2 * shared * overlaps * first).sum() + 4 * (spread * images * moved).sum()),
        ])  # fmt: skip
        return directions - step * gradient

    def _project(self, directions: Tensor) -> Tensor:
        """N: how much of each example's Fisher lies along each direction."""
        images = (self.rows @ directions.T).square()
        return images.reshape(-1, self.classes, directions.shape[0]).sum(1)


def _find_lowest(quartic: list[float]) -> float:
    """Where a s^4 + b s^3 + c s^2 + d s is lowest; 0 where it has no slope."""
    import numpy as np

    polynomial = np.polynomial.Polynomial([0.0, *reversed(quartic)])
    places = polynomial.deriv().trim().roots().tolist()
    real = [0.0, *(float(one.real) for one in places if abs(one.imag) <= 1e-9 * abs(one))]
    return min(real, key=polynomial)
