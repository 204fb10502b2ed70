"""Whether factors that were found pay, beside the plain difference from the update base."""

from __future__ import annotations

from git_theta.tensors.values import Values
from git_theta.updates.delta.predictions import BasePrediction
from git_theta.updates.low_rank.candidate_sizes import CLEARLY_LESS, estimate_size
from git_theta.updates.low_rank.factors import Factors
from git_theta.updates.low_rank.find_factors import find_factors
from git_theta.updates.low_rank.low_rank_prediction import LowRankPrediction
from git_theta.updates.low_rank.matrix_change import MatrixPair


def choose_factors(
    values: Values, base: Values, prediction: BasePrediction, budget: int | None = None
) -> Factors | None:
    """Factors that take clearly less than the plain difference; None where there are none.

    ``budget``: seconds of a processor per GB that finding them may take.
    """
    if values.spec.shape != base.spec.shape:
        return None
    found = find_factors(MatrixPair(values, base, prediction), budget)
    if found is None:
        return None
    rounding = (False, True) if values.spec.dtype.width == 2 else (False,)
    candidates = [found._replace(rounds_product=rounds) for rounds in rounding]
    sizes = [estimate_size(values, base, LowRankPrediction(each, prediction), each[:2]) for each in candidates]
    size, best = min(zip(sizes, candidates, strict=True), key=lambda pair: pair[0])
    return best if size < CLEARLY_LESS * estimate_size(values, base, prediction) else None
