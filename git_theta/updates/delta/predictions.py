"""What the numbers of a block are taken to be: those of an update base, cast where it has another dtype."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from git_theta.tensors.arrays import Buffer
from git_theta.tensors.casts import CASTS, cast_codes
from git_theta.tensors.dtypes import DType
from git_theta.updates.delta.element_kinds import ElementKind, kind_of

if TYPE_CHECKING:
    from git_theta.updates.delta.element_kinds import Numbers


class Prediction(NamedTuple):
    """How numbers of a base predict those of a part.

    Attributes:
        dtype: name of the part's dtype.
        cast: name of the base's, where it has another one; else "".
        kind: the part's numbers.
    """

    dtype: str
    cast: str
    kind: ElementKind

    def read_numbers(self, base_block: Buffer, most: int) -> Numbers:
        """The first numbers that the block of a base predicts, at most ``most``."""
        import numpy as np

        width = CASTS[self.cast].width if self.cast else self.kind.width
        count = min(most, len(base_block) // width)
        codes = np.frombuffer(base_block, f"<u{width}", count)
        return cast_codes(codes, self.cast, self.dtype) if self.cast else codes


def find_prediction(dtype: DType, cast: str) -> Prediction | None:
    """From a base of dtype ``cast``, or of the same one where that is ""; None where there is none."""
    if cast and not (cast in CASTS and dtype.name in CASTS and cast != dtype.name):
        return None
    return Prediction(dtype.name, cast, kind_of(dtype))
