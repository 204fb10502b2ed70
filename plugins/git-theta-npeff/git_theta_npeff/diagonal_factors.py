"""D-NPEFF: rows of diagonals as non-negative sums of components, by multiplicative updates.

Source: Matena and Raffel, NPEFF (arXiv 2310.04649), section 3: the factorisation of Lee and Seung (2001) that makes
|X - W H|^2 small, X having an example's diagonal in each row:

    W <- W * (X H^T) / (W H H^T),    H <- H * (W^T X) / (W^T W H)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from git_theta_npeff.factors import Factors, multiply_update

if TYPE_CHECKING:
    from git_theta_npeff.example_fishers import ExampleFishers


def fit_diagonals(fishers: ExampleFishers, count: int, steps: int, seed: int = 0) -> Factors:
    """Factorise.

    Args:
        fishers: diagonals.
        count: of components.
        steps: updates of both factors.
        seed: of what it begins with.

    Returns:
        Components of length 1, by falling weight.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    rows, turned = fishers.rows, fishers.turned
    scale = (float(rows.values().sum()) / max(rows.numel() * count, 1)) ** 0.5
    weights = scale * torch.rand(rows.shape[0], count, dtype=torch.float64, generator=generator)
    components = scale * torch.rand(count, rows.shape[1], dtype=torch.float64, generator=generator)
    losses = []
    for _ in range(steps):
        weights = multiply_update(weights, rows @ components.T, weights @ (components @ components.T))
        components = multiply_update(components, (turned @ weights).T, (weights.T @ weights) @ components)
        crossed = weights.mul(rows @ components.T).sum()
        losses.append(float(fishers.total - 2 * crossed + (weights.T @ weights).mul(components @ components.T).sum()))
    return Factors("diagonal", weights, components, losses, fishers.total).normalize()
