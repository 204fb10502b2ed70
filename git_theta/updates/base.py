"""The seam of an update: a tensor's bytes to arrays relative to an update base, block by block.

Law: exact. ``decode(encode(blocks))`` gives the same bytes, for every bit pattern (L1, L3). Both work on one block of
``BLOCK`` bytes at a time (the last one shorter), so a tensor is never held whole (L6).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from git_theta.registry import Family, make_instance
from git_theta.tensors.arrays import Arrays, Buffer


class Update(ABC):
    """Stateless; ``name`` is what manifests call it."""

    name: str

    @abstractmethod
    def encode(self, block: Buffer, width: int) -> Arrays:
        """The arrays that stand for ``block``, whose elements have ``width`` bytes (1, 2, 4 or 8)."""

    @abstractmethod
    def decode(self, arrays: Arrays) -> Buffer:
        """The block that ``arrays`` stand for. Raises CorruptObject when they cannot be any block's."""


UPDATES = Family("updates", make_instance(Update))
