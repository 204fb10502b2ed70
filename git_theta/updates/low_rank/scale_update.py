"""The update ``scale``: each row or column of a matrix times a number, as IA3 has it, and what rounding made of it."""

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
from git_theta.updates.low_rank.factors import matrix_shape
from git_theta.updates.low_rank.head_lists import read_numbers, write_numbers
from git_theta.updates.low_rank.rounded_sums import DTYPES
from git_theta.updates.low_rank.scale_choice import choose_scales
from git_theta.updates.low_rank.scale_prediction import ScalePrediction, Scales, is_scalable

AXIS = "axis"
SCALES = "scales"
"""The setting that gives them."""


class ScaleUpdate(Update):
    """A matrix: the first dimension by all others."""

    name = "scale"
    options = (CAST, AXIS)
    base = "any"

    def coder(self, values: Values, base: Values | None, settings: Mapping[str, Any]) -> Coder | None:
        """``settings["scales"]``: Scales to take; else they are looked for, and taken where they clearly pay.

        ``settings[SEARCH_BUDGET]``: what looking for them may take.
        """
        if base is None or values.spec.dtype.name not in DTYPES:
            return None
        prediction = find_prediction(values.spec.dtype, base.spec.dtype)
        if prediction is None:
            return None
        given: Scales | None = settings.get(SCALES)
        scales = given or choose_scales(values, base, prediction, settings.get(SEARCH_BUDGET))
        if scales is None or not scales.fits(values.spec.shape):
            return None
        scaled = ScalePrediction(scales, matrix_shape(values.spec.shape)[1], prediction)
        return ResidualCoder(scaled, prediction.options | {AXIS: scales.axis}, write_numbers(scales.numbers))

    def decoder(self, spec: Spec, stored: Iterator[Arrays], options: Mapping[str, Any]) -> Decoder:
        prediction, axis = read_prediction(spec.dtype, options), options.get(AXIS)
        if type(axis) is not int or spec.dtype.name not in DTYPES or not is_scalable(axis, spec.shape):
            raise CorruptObject(f"{spec.dtype.name} {list(spec.shape)} is not scaled along the axis {axis!r}")
        sides = matrix_shape(spec.shape)
        scales = Scales(read_numbers(stored, sides[axis]), axis)
        return ResidualDecoder(ScalePrediction(scales, sides[1], prediction), spec.nbytes)
