"""The first blocks of values and of their update base, by which an update tells whether it would pay."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice, repeat

from git_theta.tensors.alignment import aligned_step, recut_blocks
from git_theta.tensors.arrays import Buffer
from git_theta.tensors.values import Values
from git_theta.updates.delta.estimate import Estimate, estimate_sizes
from git_theta.updates.delta.predictions import Prediction

SAMPLED_BLOCKS = 4
"""From the start: a base gives its later blocks only after those before them."""


def pair_blocks(values: Values, base: Values) -> Iterator[tuple[Buffer, Buffer]]:
    """Each block and that of the base beside it; none where elements do not lie beside each other."""
    step = aligned_step(values.spec, base.spec)
    beside = chain(recut_blocks(base.blocks(), step), repeat(b"")) if step else iter(())
    return zip(values.blocks(), beside, strict=False)


def estimate_blocks(values: Values, base: Values, prediction: Prediction) -> Iterator[Estimate]:
    """Of each sampled block of which numbers are predicted, what these would take."""
    import numpy as np

    for at, (block, base_block) in enumerate(islice(pair_blocks(values, base), SAMPLED_BLOCKS)):
        numbers = np.frombuffer(block, prediction.kind.unsigned)
        predicted = prediction.predict(at, base_block, len(numbers)).numbers
        if len(predicted):
            yield estimate_sizes(numbers[: len(predicted)], predicted, prediction.kind).cheaper()
