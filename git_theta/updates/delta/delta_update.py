"""The update ``delta``: new numbers minus those of the update base, as integers of their width.

It builds on any base whose elements lie where those of the part do: one of the same dtype, one of another float dtype
that is cast, one with fewer rows, beyond which numbers stand as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from git_theta.tensors.arrays import Arrays
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import Values
from git_theta.updates.base import Coder, Decoder, Update
from git_theta.updates.delta.estimate import NOTHING
from git_theta.updates.delta.predictions import CAST, BasePrediction, find_prediction, read_prediction
from git_theta.updates.delta.residual_blocks import ResidualCoder, ResidualDecoder
from git_theta.updates.delta.sampled_blocks import estimate_blocks

_LEAST_SAVED = 512
"""Bytes; a link of a chain takes about as many in Git."""


class DeltaUpdate(Update):
    """Integers, so that it is exact for every bit pattern."""

    name = "delta"
    options = (CAST,)
    base = "any"

    def coder(self, values: Values, base: Values | None, settings: Mapping[str, Any]) -> Coder | None:  # noqa: ARG002
        if base is None or not values.size:
            return None
        prediction = find_prediction(values.spec.dtype, base.spec.dtype)
        if prediction is None or not _pays(values, base, prediction):
            return None
        return ResidualCoder(prediction, prediction.options)

    def decoder(self, spec: Spec, stored: Iterator[Arrays], options: Mapping[str, Any]) -> Decoder:  # noqa: ARG002
        return ResidualDecoder(read_prediction(spec.dtype, options), spec.nbytes)


def _pays(values: Values, base: Values, prediction: BasePrediction) -> bool:
    """Whether clearly less would be stored, so far as the first blocks tell."""
    total = NOTHING
    for sizes in estimate_blocks(values, base, prediction):
        total = total.plus(sizes)
        if total.prefers_delta() and total.saved_bytes() > _LEAST_SAVED:
            return True
    return False
