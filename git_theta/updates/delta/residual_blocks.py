"""Blocks as what is left of them beside a prediction: the coder and the decoder of every update that predicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from git_theta.errors import CorruptObject
from git_theta.tensors.arrays import BLOCK, Arrays, Buffer
from git_theta.updates.base import Coder, Decoder
from git_theta.updates.delta.block_arrays import ArrayReader, ArrayWriter
from git_theta.updates.delta.block_coding import read_delta, write_delta
from git_theta.updates.delta.estimate import estimate_sizes
from git_theta.updates.delta.predictions import Prediction

if TYPE_CHECKING:
    from git_theta.updates.delta.element_kinds import ElementKind, Numbers


class BlockMode(IntEnum):
    """The first word of a block."""

    SAME = 0
    DENSE = 1
    DELTA = 2


class ResidualCoder(Coder):
    """Integers, so that it is exact for every bit pattern."""

    serializer = "frames"

    def __init__(self, prediction: Prediction, options: Mapping[str, Any], head: Iterable[Arrays] = ()) -> None:
        self._prediction = prediction
        self.options = options
        self.head = head

    def encode(self, at: int, block: Buffer, base_block: Buffer) -> Arrays:
        import numpy as np

        kind = self._prediction.kind
        numbers = np.frombuffer(block, kind.unsigned)
        predicted = self._prediction.predict(at, base_block, len(numbers))
        count = len(predicted.numbers)
        known, rest = numbers[:count], memoryview(block)[count * kind.width :]
        mode = _choose_mode(known, predicted.numbers, kind)
        writer = ArrayWriter(mode)
        if mode == BlockMode.DENSE:
            rest = memoryview(block)
        if len(rest):
            writer.add_numbers(rest, kind.width)
        if mode == BlockMode.DELTA:
            write_delta(writer, known, predicted, kind)
        return writer.finish()


class ResidualDecoder(Decoder):
    """``size``: bytes of the part."""

    def __init__(self, prediction: Prediction, size: int) -> None:
        self._prediction = prediction
        self._size = size

    def decode(self, at: int, arrays: Arrays, base_block: Buffer) -> Buffer:
        size = min(BLOCK, self._size - at * BLOCK)
        if size <= 0:
            raise CorruptObject("a delta has more blocks than its part")
        kind = self._prediction.kind
        reader = ArrayReader(arrays)
        mode = reader.take_word(BlockMode.DELTA)
        predicted = self._prediction.predict(at, b"" if mode == BlockMode.DENSE else base_block, size // kind.width)
        rest = size - len(predicted.numbers) * kind.width
        after = reader.take_bytes(rest).data if rest else b""
        numbers = read_delta(reader, predicted, kind) if mode == BlockMode.DELTA else predicted.numbers
        reader.finish()
        if not rest:
            return numbers.view("u1").data
        return b"".join((numbers.data, after)) if len(numbers) else after


def _choose_mode(numbers: Numbers, predicted: Numbers, kind: ElementKind) -> BlockMode:
    import numpy as np

    if not len(predicted):
        return BlockMode.DENSE
    sizes = estimate_sizes(numbers, predicted, kind)
    if not sizes.delta and np.array_equal(numbers, predicted):
        return BlockMode.SAME
    return BlockMode.DELTA if sizes.prefers_delta() else BlockMode.DENSE
