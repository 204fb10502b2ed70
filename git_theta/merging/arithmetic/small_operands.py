"""Small tensors held in memory by strategies that read them more than once: decoding them again would cost more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from git_theta.merging.base import Contest, Operand
from git_theta.tensors.array_library import ArrayLibrary, Vector
from git_theta.tensors.arrays import Buffer

SMALL = 16 << 20
"""Bytes of a contest's tensors together up to which they are held. Each worker may hold as many."""


class HeldOperand(Operand):
    """An operand whose arrays are read once, and then held: those of one library."""

    def __init__(self, operand: Operand) -> None:
        self.oid, self.spec = operand.oid, operand.spec
        self._operand = operand
        self._arrays: list[Vector] | None = None

    def blocks(self) -> Iterator[Buffer]:
        return self._operand.blocks()

    def arrays(self, library: ArrayLibrary) -> Iterator[Vector]:
        if self._arrays is None:
            self._arrays = list(self._operand.arrays(library))
        return iter(self._arrays)


def hold_small(contest: Contest) -> Contest:
    """The contest with operands that are read once; as it is where they are not small."""
    operands = [operand for operand in (*contest.branches, contest.base) if operand]
    if sum(operand.spec.nbytes for operand in operands) > SMALL:
        return contest
    branches = tuple([branch and HeldOperand(branch) for branch in contest.branches])
    return replace(contest, branches=branches, base=contest.base and HeldOperand(contest.base))
