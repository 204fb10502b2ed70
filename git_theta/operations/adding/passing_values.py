"""Blocks that pass by once, where values are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from git_theta.tensors.arrays import Buffer
from git_theta.tensors.dtypes import DType
from git_theta.tensors.spec import Spec


class PassingValues:
    """Values that are computed, or arrive: they can be sampled at their first block, and then be read once.

    Attributes:
        spec: flat, since nobody knows yet how many there are.
        size: of the first block, which is all that may be looked at beforehand.
    """

    def __init__(self, dtype: DType, blocks: Iterable[Buffer]) -> None:
        self._blocks = iter(blocks)
        self._first = next(self._blocks, b"")
        self.size = len(self._first)
        self.spec = Spec(dtype, (self.size * 8 // dtype.bits,))

    def blocks(self, first: int = 0) -> Iterator[Buffer]:
        """The blocks that have not passed yet, after the first one, which is kept."""
        return chain([self._first] if self._first and not first else [], self._blocks)
