"""What a factorisation is: coefficients of examples, and components that they share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Form = Literal["diagonal", "low-rank"]


@dataclass(frozen=True)
class Factors:
    """Fishers as coefficients times components.

    Attributes:
        form: "diagonal": a component is a diagonal h_j; "low-rank": a direction g_j, which stands for g_j g_j^T.
        weights: examples by components, none below 0; the paper's W. fp64.
        components: components by columns; the paper's H, or G. fp64.
        losses: after each step.
        total: the loss of no components at all.
    """

    form: Form
    weights: Tensor
    components: Tensor
    losses: list[float]
    total: float

    @property
    def explained(self) -> float:
        """The share of the Fishers' squares that the components stand for: 1 for all."""
        return 1 - self.losses[-1] / self.total if self.total else 1.0

    def normalize(self) -> Factors:
        """The same with components of length 1, the one with the greatest coefficients first."""
        lengths = self.components.norm(dim=1, keepdim=True)
        power = 2 if self.form == "low-rank" else 1
        weights = self.weights * lengths.T**power
        order = weights.sum(0).argsort(descending=True, stable=True)
        components = self.components / lengths.where(lengths > 0, 1)
        return replace(self, weights=weights[:, order], components=components[order])


def multiply_update(factor: Tensor, numerator: Tensor, denominator: Tensor) -> Tensor:
    """Each element times its share of numerator and denominator; where that is 0 the loss does not depend on it.

    The paper adds 1e-9 to the denominator, which may raise the loss where Fishers are small.
    """
    return factor * (numerator / denominator).where(denominator > 0, 1)
