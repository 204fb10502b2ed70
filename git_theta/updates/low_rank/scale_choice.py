"""Whether scales that were found pay, beside the plain difference from the update base."""

from __future__ import annotations

from git_theta.tensors.values import Values
from git_theta.updates.delta.predictions import BasePrediction
from git_theta.updates.low_rank.candidate_sizes import CLEARLY_LESS, estimate_size
from git_theta.updates.low_rank.find_scales import find_scales
from git_theta.updates.low_rank.matrix_change import MatrixPair
from git_theta.updates.low_rank.scale_prediction import ScalePrediction, Scales


def choose_scales(values: Values, base: Values, prediction: BasePrediction, budget: int | None = None) -> Scales | None:
    """Scales that take clearly less than the plain difference; None where there are none.

    ``budget``: seconds of a processor per GB that finding them may take.
    """
    if values.spec.shape != base.spec.shape:
        return None
    pair = MatrixPair(values, base, prediction)
    scales = find_scales(pair, budget)
    if scales is None:
        return None
    size = estimate_size(values, base, ScalePrediction(scales, pair.columns, prediction), [scales.numbers])
    return scales if size < CLEARLY_LESS * estimate_size(values, base, prediction) else None
