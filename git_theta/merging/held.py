"""Small tensors held in memory by strategies that read them more than once: decoding them again would cost more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from git_theta.merging.base import Contest, Operand

if TYPE_CHECKING:
    from torch import Tensor

SMALL = 16 << 20
"""Bytes of a contest's tensors together up to which they are held. Of the budget of 300 MB, torch alone takes 220."""


class HeldOperand(Operand):
    """An operand that is read once, and then held."""

    def __init__(self, operand: Operand) -> None:
        self.oid, self.spec = operand.oid, operand.spec
        self._operand = operand
        self._held: list[Tensor] | None = None

    def chunks(self) -> Iterator[Tensor]:
        if self._held is None:
            self._held = list(self._operand.chunks())
        return iter(self._held)


def held(contest: Contest) -> Contest:
    """The contest with operands that are read once; as it is where they are not small."""
    operands = [operand for operand in (*contest.branches, contest.base) if operand]
    if sum(operand.spec.nbytes for operand in operands) > SMALL:
        return contest
    branches = tuple([branch and HeldOperand(branch) for branch in contest.branches])
    return replace(contest, branches=branches, base=contest.base and HeldOperand(contest.base))
