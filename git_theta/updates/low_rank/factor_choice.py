"""Whether factors that were found pay, beside the plain difference from the update base."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from git_theta.tensors.arrays import BLOCK
from git_theta.tensors.values import Values
from git_theta.updates.delta.element_kinds import ElementKind
from git_theta.updates.delta.estimate import NOTHING, Estimate, estimate_sizes
from git_theta.updates.delta.predictions import BasePrediction, Prediction
from git_theta.updates.delta.sampled_blocks import SAMPLED_BLOCKS, estimate_blocks
from git_theta.updates.low_rank.factors import Factors
from git_theta.updates.low_rank.find_factors import find_factors
from git_theta.updates.low_rank.low_rank_prediction import LowRankPrediction
from git_theta.updates.low_rank.matrix_change import MatrixPair

if TYPE_CHECKING:
    from git_theta.updates.delta.element_kinds import Numbers

_CLEARLY_LESS = 0.85
"""Of what the plain difference takes: factors take longer to find, and to multiply."""
_NUMBERS = ElementKind(4, 23)


def choose_factors(values: Values, base: Values, prediction: BasePrediction) -> Factors | None:
    """Factors that take clearly less than the plain difference; None where there are none."""
    if values.spec.shape != base.spec.shape:
        return None
    found = find_factors(MatrixPair(values, base, prediction))
    if found is None:
        return None
    rounding = (False, True) if values.spec.dtype.width == 2 else (False,)
    candidates = [found._replace(rounds_product=rounds) for rounds in rounding]
    sizes = [_estimate_sizes(values, base, LowRankPrediction(each, prediction)).delta for each in candidates]
    plain = _estimate_sizes(values, base, prediction).delta
    size, best = min(zip(sizes, candidates, strict=True), key=lambda pair: pair[0])
    return best if size + _estimate_head(best, values.size) < _CLEARLY_LESS * plain else None


def _estimate_sizes(values: Values, base: Values, prediction: Prediction) -> Estimate:
    """Of the sampled blocks together."""
    return reduce(Estimate.plus, estimate_blocks(values, base, prediction), NOTHING)


def _estimate_head(factors: Factors, size: int) -> int:
    """What the factors would take, for the sampled blocks' share of ``size`` bytes."""
    import numpy as np

    sides: list[Numbers] = [np.ascontiguousarray(side).reshape(-1).view("<u4") for side in factors[:2]]
    whole = sum(estimate_sizes(side, side, _NUMBERS).dense for side in sides)
    return whole * min(size, SAMPLED_BLOCKS * BLOCK) // size
