"""Values that are looked at before they are read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest

from git_theta.errors import CorruptObject
from git_theta.tensors.arrays import BLOCK, Buffer
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.resumed_values import ResumedValues
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues
from git_theta.testing.blocks import noise_bytes


class CountedValues(MemoryValues):
    """Counts the blocks that are read; what follows the last one is an error where they are ``rotten``."""

    def __init__(self, size: int, *, rotten: bool = False) -> None:
        self.data, self.read, self.rotten = noise_bytes(size), 0, rotten
        super().__init__(Spec(BY_NAME["U8"], (size,)), self.data)

    def blocks(self, first: int = 0) -> Iterator[Buffer]:
        for block in super().blocks(first):
            self.read += 1
            yield block
        if self.rotten:
            raise CorruptObject("not what it says")


@pytest.mark.parametrize("blocks", [0, 1, 3, 4, 5, 9])
def test_looking_at_the_start_costs_no_second_reading(blocks: int) -> None:
    values = CountedValues(blocks * BLOCK - (BLOCK // 2 if blocks else 0))
    resumed = ResumedValues(values)
    for looked in (1, 2, 1, 4):
        assert b"".join(islice(resumed.blocks(), looked)) == values.data[: looked * BLOCK]
    assert b"".join(resumed.blocks()) == values.data
    assert values.read == blocks


def test_every_reading_gives_the_same_bytes() -> None:
    values = CountedValues(7 * BLOCK + 10)
    resumed = ResumedValues(values)
    abandoned, other = resumed.blocks(), resumed.blocks()
    assert b"".join(islice(abandoned, 6)) == values.data[: 6 * BLOCK]
    assert b"".join(other) == values.data
    assert b"".join(abandoned) == values.data[6 * BLOCK :]
    for first in (0, 1, 4, 6, 8):
        assert b"".join(resumed.blocks(first)) == values.data[first * BLOCK :]


@pytest.mark.parametrize("blocks", [1, 4, 6])
def test_damage_is_told_to_everybody_who_reads_to_the_end(blocks: int) -> None:
    resumed = ResumedValues(CountedValues(blocks * BLOCK, rotten=True))
    assert len(list(islice(resumed.blocks(), 1))) == 1
    for _ in range(2):
        with pytest.raises(CorruptObject, match="not what it says"):
            list(resumed.blocks())
