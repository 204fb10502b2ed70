"""What a matrix changed by, row by row, and how far rounding lets that be known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from git_theta.tensors.alignment import recut_blocks
from git_theta.tensors.arrays import Buffer
from git_theta.tensors.casts import CASTS
from git_theta.tensors.numbers import FRACTION, SMALLEST, numbers_of
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import Values
from git_theta.updates.delta.predictions import BasePrediction
from git_theta.updates.low_rank.factors import matrix_shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from git_theta.updates.delta.element_kinds import Numbers

    Doubles = NDArray[np.float64]
    Floats = NDArray[Any]

_PIECE = 1 << 17
"""Numbers of a piece of whole rows; at least one row."""
_FINEST = 1 / 8
"""Of the usual worth of a last bit: where it is worth less, numbers weigh no more. A few would outweigh all others."""
_MEDIAN_OF = 1 << 12


class RowPiece(NamedTuple):
    """Whole rows of a matrix, and of its base: bytes, from row ``first`` on."""

    first: int
    block: Buffer
    base_block: Buffer


class MatrixChange(NamedTuple):
    """What rows changed by.

    Attributes:
        numbers: (rows, columns); 0 where either side is not finite. fp64, or fp32 where many are held.
        units: what the last bit is worth, of the larger side. Rounding moved each by a share of this.
    """

    numbers: Floats
    units: Floats

    def energy(self) -> float:
        """The sum of squares."""
        import numpy as np

        return float(np.square(self.numbers, dtype=np.float64).sum())

    def noise_energy(self) -> float:
        """What rounding alone would leave of it."""
        import numpy as np

        return float(np.square(self.units, dtype=np.float64).sum(where=np.isfinite(self.units))) / 12

    def find_usual_unit(self) -> float:
        """The median of what the last bit is worth."""
        import numpy as np

        units = self.units.reshape(-1)
        return float(np.median(units[:: -(-len(units) // _MEDIAN_OF)]))

    def weigh(self) -> Floats:
        """How much each tells of a product: as the inverse of its variance, relative to the most that one may weigh."""
        import numpy as np

        finest = _FINEST * self.find_usual_unit()
        weights = np.maximum(self.units, finest)
        np.divide(finest, weights, out=weights)
        return np.square(weights, out=weights)


class MatrixPair:
    """A matrix beside its update base: values of the same shape."""

    def __init__(self, values: Values, base: Values, prediction: BasePrediction) -> None:
        self.rows, self.columns = matrix_shape(values.spec.shape)
        self.dtype = values.spec.dtype
        self.prediction = prediction
        self.size = values.size
        self._values = values
        self._base = base

    def read_pieces(self) -> Iterator[RowPiece]:
        """All rows in pieces, read once."""
        rows = max(1, _PIECE // self.columns)
        widths = (Spec(each.spec.dtype, (self.columns,)).nbytes for each in (self._values, self._base))
        sides = (
            recut_blocks(each.blocks(), rows * width)
            for each, width in zip((self._values, self._base), widths, strict=True)
        )
        for at, (block, base_block) in enumerate(zip(*sides, strict=True)):
            yield RowPiece(at * rows, block, base_block)

    def codes(self, piece: RowPiece) -> tuple[Numbers, Numbers]:
        """New and old, in the matrix's dtype: (rows, columns)."""
        import numpy as np

        new = np.frombuffer(piece.block, self.prediction.kind.unsigned)
        old = self.prediction.read_numbers(piece.base_block, len(new))
        return new.reshape(-1, self.columns), old.reshape(-1, self.columns)

    def measure_change(self, new: Numbers, old: Numbers) -> MatrixChange:
        """Of codes of whole rows, or of some of their columns."""
        import numpy as np

        after, before = (self.widen(codes) for codes in (new, old))
        with np.errstate(all="ignore"):
            change = after - before
            odd = ~np.isfinite(change)
            change[odd] = 0
            largest = np.maximum(np.abs(after), np.abs(before))
            powers = (largest.view("<u8") & (CASTS["F64"].infinity)).view("<f8")
            powers *= 2.0 ** -FRACTION[self.dtype.name]
            np.maximum(powers, SMALLEST[self.dtype.name], out=powers)
            powers[odd] = np.inf
        return MatrixChange(change, powers)

    def widen(self, codes: Numbers) -> Doubles:
        """What codes of the matrix's dtype stand for."""
        import numpy as np

        shape = codes.shape
        flat = np.ascontiguousarray(codes).reshape(-1)
        return numbers_of(flat, self.dtype).astype(np.float64).reshape(shape)
