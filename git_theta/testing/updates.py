"""The laws of ``git_theta.updates.base``."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod

import pytest

from git_theta.errors import CorruptObject
from git_theta.serializers.framing import MAX_STORED_BLOCK
from git_theta.tensors.arrays import BLOCK, Array, Arrays
from git_theta.testing.blocks import LENGTHS, WIDTHS, noise_bytes, sample_blocks
from git_theta.updates.base import Update

_MOST_BYTES = MAX_STORED_BLOCK // 2
"""Bytes that the arrays of one block may have: a stored block has at most LONGEST, the serializer's words included."""


class UpdateLaws(ABC):
    """Derive, and name the update."""

    @abstractmethod
    def make_update(self) -> Update:
        """The update under test."""

    @pytest.mark.parametrize("length", LENGTHS)
    @pytest.mark.parametrize("width", WIDTHS)
    def test_exact_for_every_bit_pattern(self, width: int, length: int) -> None:
        for block in sample_blocks(length, width):
            assert bytes(self.make_update().decode(self._encode_block(block, width))) == block

    def test_the_arrays_of_a_block_fit_into_a_stored_block(self) -> None:
        for width in WIDTHS:
            for block in sample_blocks(BLOCK, width):
                assert sum(len(array.data) for array in self._encode_block(block, width)) <= _MOST_BYTES

    def test_the_same_block_gives_the_same_arrays(self) -> None:
        for width in WIDTHS:
            first, second = (self._encode_block(noise_bytes(4096), width) for _ in range(2))
            assert [(array.width, bytes(array.data)) for array in first] == [
                (array.width, bytes(array.data)) for array in second
            ]

    def test_arrays_that_are_no_blocks_are_corrupt_or_other_values_and_nothing_else(self) -> None:
        honest = self._encode_block(noise_bytes(4096), 4)
        odd: list[Arrays] = [
            (),
            honest[:-1],
            (*honest, *honest),
            (*honest, Array(1, b"")),
            tuple(Array(array.width, array.data[:-1]) for array in honest),
            tuple(Array(array.width, b"") for array in honest),
            tuple(Array(1, noise_bytes(len(array.data), 7)) for array in honest),
            tuple(Array(8, b"\xff" * len(array.data)) for array in honest),
        ]
        for arrays in odd:
            with contextlib.suppress(CorruptObject):
                assert len(self.make_update().decode(arrays)) <= _MOST_BYTES

    def test_no_arrays_are_no_block(self) -> None:
        with pytest.raises(CorruptObject):
            self.make_update().decode(())

    def _encode_block(self, block: bytes, width: int) -> Arrays:
        return self.make_update().encode(block, width)
