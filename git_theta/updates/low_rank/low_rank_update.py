"""The update ``low-rank``: what an adapter changed, as the adapter, and exactly what rounding made of it.

It builds on what ``delta`` builds on, and codes what is left as that does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from git_theta.errors import CorruptObject
from git_theta.tensors.arrays import Arrays
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import Values
from git_theta.updates.base import SEARCH_BUDGET, Coder, Decoder, Update
from git_theta.updates.delta.predictions import CAST, find_prediction, read_prediction
from git_theta.updates.delta.residual_blocks import ResidualCoder, ResidualDecoder
from git_theta.updates.low_rank.factor_choice import choose_factors
from git_theta.updates.low_rank.factors import Factors, is_storable
from git_theta.updates.low_rank.head_lists import read_factors, write_factors
from git_theta.updates.low_rank.low_rank_prediction import LowRankPrediction
from git_theta.updates.low_rank.rounded_sums import DTYPES

RANK, ROUNDED, APART = "rank", "rounded", "apart"
FACTORS = "factors"
"""The setting that gives them."""


class LowRankUpdate(Update):
    """A matrix: the first dimension by all others."""

    name = "low-rank"
    options = (CAST, RANK, ROUNDED, APART)
    base = "any"

    def coder(self, values: Values, base: Values | None, settings: Mapping[str, Any]) -> Coder | None:
        """``settings["factors"]``: Factors to take; else they are looked for, and taken where they clearly pay.

        ``settings[SEARCH_BUDGET]``: what looking for them may take.
        """
        if base is None or values.spec.dtype.name not in DTYPES:
            return None
        prediction = find_prediction(values.spec.dtype, base.spec.dtype)
        if prediction is None:
            return None
        given: Factors | None = settings.get(FACTORS)
        factors = given or choose_factors(values, base, prediction, settings.get(SEARCH_BUDGET))
        if factors is None or not factors.fits(values.spec.shape):
            return None
        factors = factors.balance()
        options = prediction.options | {RANK: factors.rank, APART: True}
        options |= {ROUNDED: True} if factors.rounds_product else {}
        return ResidualCoder(LowRankPrediction(factors, prediction), options, write_factors(factors))

    def decoder(self, spec: Spec, stored: Iterator[Arrays], options: Mapping[str, Any]) -> Decoder:
        prediction = read_prediction(spec.dtype, options)
        rank, rounded, apart = options.get(RANK), ROUNDED in options, APART in options
        if type(rank) is not int or not all(options.get(key, True) is True for key in (ROUNDED, APART)):
            raise CorruptObject(f"options of low-rank are {dict(options)}")
        if spec.dtype.name not in DTYPES or not is_storable(rank, spec.shape):
            raise CorruptObject(f"nothing of rank {rank!r} is added to {spec.dtype.name} {list(spec.shape)}")
        factors = read_factors(stored, rank, spec.shape, apart=apart, rounds_product=rounded)
        return ResidualDecoder(LowRankPrediction(factors, prediction), spec.nbytes)
