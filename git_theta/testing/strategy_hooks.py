"""What a strategy that is held to the laws says of itself: the hooks that a test fills in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from git_theta.merging.base import Operand, Strategy
from git_theta.testing.operands import coarse, operand

Numbers = list[float]

_SIZE = 257


class StrategyHooks(ABC):
    """The strategy, what to try it with, and what comes out.

    Attributes:
        ordered: whether the order of heads matters: a strategy takes a certain one, or options are listed by head.
        shape: of the parameters that are merged, but for those that are small, or large. A strategy for matrices says
            one of two dimensions; what is large then has two as well.
    """

    ordered = False
    shape: tuple[int, ...] = (_SIZE,)

    @abstractmethod
    def make_strategy(self) -> Strategy:
        """The strategy under test."""

    def options(self, heads: int) -> Iterable[Mapping[str, Any]]:  # noqa: ARG002
        """Options to test with, for a merge of so many heads: a mapping of names to values for each round."""
        return ({},)

    def oracle(
        self,
        heads: Sequence[Numbers],  # noqa: ARG002
        base: Numbers,  # noqa: ARG002
        weights: Sequence[float],  # noqa: ARG002
        chosen: Mapping[str, Any],  # noqa: ARG002
    ) -> Numbers | None:
        """What comes out, as fp64 has it; or None, where that cannot be said in a few lines.

        Args:
            heads: the values of each head.
            base: those of the merge base.
            weights: of each head; 1 where there are none.
            chosen: every option with its value.
        """
        return None

    def oracle_with_companions(
        self,
        heads: Sequence[Numbers],
        base: Numbers,
        weights: Sequence[float],
        chosen: Mapping[str, Any],
        companions: Mapping[str, Sequence[Numbers]],  # noqa: ARG002
    ) -> Numbers | None:
        """The same for a strategy that reads companions: by name, the values of each head there."""
        return self.oracle(heads, base, weights, chosen)

    def make_companion(self, name: str, head: Operand) -> Operand:  # noqa: ARG002
        """What a head has in the companion of that name: positive numbers of its shape, fp32 (fp64 for fp64).

        The same for the same values of the head.
        """
        dtype = "F64" if head.spec.dtype.name == "F64" else "F32"
        seed = int(head.oid[:8], 16)
        return operand([abs(value) + 0.5 for value in coarse(head.spec.elements, seed)], dtype, head.spec.shape)
