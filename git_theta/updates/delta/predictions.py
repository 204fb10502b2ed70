"""What the numbers of a block are taken to be: those of an update base, cast where it has another dtype.

Other updates predict otherwise, and share how what is left is coded.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from git_theta.errors import CorruptObject
from git_theta.tensors.arrays import Buffer
from git_theta.tensors.casts import CASTS, cast_codes
from git_theta.tensors.dtypes import DType
from git_theta.updates.delta.element_kinds import ElementKind, kind_of

if TYPE_CHECKING:
    from git_theta.updates.delta.element_kinds import Numbers

CAST = "cast"
"""The option that names the base's dtype."""


class Predicted(NamedTuple):
    """What the first numbers of a block are taken to be.

    Attributes:
        numbers: unsigned integers, as many as are predicted.
        nearness: for each a key that is small where it could easily have been rounded to a neighbour; None where there
            is nothing of the kind.
    """

    numbers: Numbers
    nearness: Numbers | None = None


class Prediction(ABC):
    """How numbers of a base predict those of a part.

    Attributes:
        kind: the part's numbers.
    """

    kind: ElementKind

    @abstractmethod
    def predict(self, at: int, base_block: Buffer, most: int) -> Predicted:
        """The first numbers of block ``at`` that the block of a base predicts, at most ``most``."""


class BasePrediction(Prediction):
    """The base's numbers themselves.

    Attributes:
        dtype: the part's.
        cast: name of the base's, where it has another one; else "".
        options: what the manifest must tell of it.
    """

    def __init__(self, dtype: DType, cast: str) -> None:
        self.kind = kind_of(dtype)
        self.dtype = dtype
        self.cast = cast
        self.options = {CAST: cast} if cast else {}

    def predict(self, at: int, base_block: Buffer, most: int) -> Predicted:  # noqa: ARG002
        return Predicted(self.read_numbers(base_block, most))

    def read_numbers(self, base_block: Buffer, most: int) -> Numbers:
        """Those of any block."""
        import numpy as np

        width = CASTS[self.cast].width if self.cast else self.kind.width
        count = min(most, len(base_block) // width)
        codes = np.frombuffer(base_block, f"<u{width}", count)
        return cast_codes(codes, self.cast, self.dtype.name) if self.cast else codes


def find_prediction(dtype: DType, base: DType) -> BasePrediction | None:
    """Of numbers of ``dtype`` from those of dtype ``base``; None where there is none."""
    if base == dtype:
        return BasePrediction(dtype, "")
    return BasePrediction(dtype, base.name) if {base.name, dtype.name} <= CASTS.keys() else None


def read_prediction(dtype: DType, options: Mapping[str, Any]) -> BasePrediction:
    """The one that options tell of. Raises CorruptObject."""
    cast = options.get(CAST)
    if cast is None and CAST not in options:
        return BasePrediction(dtype, "")
    if not isinstance(cast, str) or not {cast, dtype.name} <= CASTS.keys() or cast == dtype.name:
        raise CorruptObject(f"{dtype.name} is not predicted by a cast of {cast!r}")
    return BasePrediction(dtype, cast)
