"""The update ``delta``: new numbers minus those of the update base, as integers of their width.

It builds on any base whose elements lie where those of the part do: one of the same dtype, one of another float dtype
that is cast, one with fewer rows, beyond which numbers stand as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, Any

from git_theta.errors import CorruptObject
from git_theta.tensors.alignment import aligned_step, recut_blocks
from git_theta.tensors.arrays import BLOCK, Arrays, Buffer
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import Values
from git_theta.updates.base import Coder, Decoder, Update
from git_theta.updates.delta.block_arrays import ArrayReader, ArrayWriter
from git_theta.updates.delta.block_coding import read_delta, write_delta
from git_theta.updates.delta.estimate import Estimate, estimate_sizes
from git_theta.updates.delta.predictions import Prediction, find_prediction

if TYPE_CHECKING:
    from git_theta.updates.delta.element_kinds import Numbers

_CAST = "cast"
_SAMPLED_BLOCKS = 4
"""From the start: a base gives its later blocks only after those before them."""
_LEAST_SAVED = 512
"""Bytes; a link of a chain takes about as many in Git."""


class BlockMode(IntEnum):
    """The first word of a block."""

    SAME = 0
    DENSE = 1
    DELTA = 2


class DeltaUpdate(Update):
    """Integers, so that it is exact for every bit pattern."""

    name = "delta"
    options = (_CAST,)
    base = "any"

    def coder(self, values: Values, base: Values | None, settings: Mapping[str, Any]) -> Coder | None:  # noqa: ARG002
        if base is None or not values.size:
            return None
        cast = "" if base.spec.dtype == values.spec.dtype else base.spec.dtype.name
        prediction = find_prediction(values.spec.dtype, cast)
        return _DeltaCoder(prediction) if prediction and _pays(values, base, prediction) else None

    def decoder(self, spec: Spec, stored: Iterator[Arrays], options: Mapping[str, Any]) -> Decoder:  # noqa: ARG002
        cast = options.get(_CAST, "")
        prediction = find_prediction(spec.dtype, cast) if isinstance(cast, str) else None
        if prediction is None or (_CAST in options and not cast):
            raise CorruptObject(f"{spec.dtype.name} is not predicted by a cast of {cast!r}")
        return _DeltaDecoder(prediction, spec.nbytes)


class _DeltaCoder(Coder):
    serializer = "frames"

    def __init__(self, prediction: Prediction) -> None:
        self._prediction = prediction
        self.options = {_CAST: prediction.cast} if prediction.cast else {}

    def encode(self, at: int, block: Buffer, base_block: Buffer) -> Arrays:  # noqa: ARG002
        import numpy as np

        kind = self._prediction.kind
        numbers = np.frombuffer(block, kind.unsigned)
        predicted = self._prediction.read_numbers(base_block, len(numbers))
        known, rest = numbers[: len(predicted)], memoryview(block)[len(predicted) * kind.width :]
        mode = _choose_mode(known, predicted, self._prediction)
        writer = ArrayWriter(mode)
        if mode == BlockMode.DENSE:
            rest = memoryview(block)
        if len(rest):
            writer.add_numbers(rest, kind.width)
        if mode == BlockMode.DELTA:
            write_delta(writer, known, predicted, kind)
        return writer.finish()


class _DeltaDecoder(Decoder):
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
        predicted = self._prediction.read_numbers(b"" if mode == BlockMode.DENSE else base_block, size // kind.width)
        rest = size - len(predicted) * kind.width
        after = reader.take_bytes(rest).data if rest else b""
        numbers = read_delta(reader, predicted, kind) if mode == BlockMode.DELTA else predicted
        reader.finish()
        if not rest:
            return numbers.view("u1").data
        return b"".join((numbers.data, after)) if len(numbers) else after


def _choose_mode(numbers: Numbers, predicted: Numbers, prediction: Prediction) -> BlockMode:
    import numpy as np

    if not len(predicted):
        return BlockMode.DENSE
    if np.array_equal(numbers, predicted):
        return BlockMode.SAME
    estimate = estimate_sizes(numbers, predicted, prediction.kind)
    return BlockMode.DELTA if estimate.prefers_delta() else BlockMode.DENSE


def _pays(values: Values, base: Values, prediction: Prediction) -> bool:
    """Whether clearly less would be stored, so far as the first blocks tell."""
    import numpy as np

    step = aligned_step(values.spec, base.spec)
    if step is None:
        return False
    total = Estimate(0, 0)
    beside = chain(recut_blocks(base.blocks(), step), repeat(b""))
    for block, base_block in islice(zip(values.blocks(), beside, strict=False), _SAMPLED_BLOCKS):
        numbers = np.frombuffer(block, prediction.kind.unsigned)
        predicted = prediction.read_numbers(base_block, len(numbers))
        if len(predicted):
            sizes = estimate_sizes(numbers[: len(predicted)], predicted, prediction.kind)
            total = total.plus(sizes.cheaper())
        if total.prefers_delta() and total.saved_bytes() > _LEAST_SAVED:
            return True
    return False
