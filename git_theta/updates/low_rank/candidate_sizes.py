"""What a prediction that was found would take, beside the plain difference from the update base."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import TYPE_CHECKING

from git_theta.tensors.arrays import BLOCK
from git_theta.tensors.values import Values
from git_theta.updates.delta.element_kinds import ElementKind
from git_theta.updates.delta.estimate import NOTHING, Estimate, estimate_sizes
from git_theta.updates.delta.predictions import Prediction
from git_theta.updates.delta.sampled_blocks import SAMPLED_BLOCKS, estimate_blocks

if TYPE_CHECKING:
    from git_theta.updates.low_rank.factors import Matrix

CLEARLY_LESS = 0.85
"""Of what the plain difference takes: what is found takes longer to find, and to compute with."""
_NUMBERS = ElementKind(4, 23)


def estimate_size(values: Values, base: Values, prediction: Prediction, head: Iterable[Matrix] = ()) -> int:
    """What the sampled blocks and their share of a head would take, in parts of bits."""
    blocks = reduce(Estimate.plus, estimate_blocks(values, base, prediction), NOTHING).delta
    return blocks + _estimate_head(head, values.size)


def _estimate_head(head: Iterable[Matrix], size: int) -> int:
    """For the sampled blocks' share of ``size`` bytes."""
    import numpy as np

    sides = [np.ascontiguousarray(side).reshape(-1).view("<u4") for side in head]
    whole = sum(estimate_sizes(side, side, _NUMBERS).dense for side in sides)
    return whole * min(size, SAMPLED_BLOCKS * BLOCK) // size
