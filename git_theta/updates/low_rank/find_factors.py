"""The factors of an adapter that somebody else merged into a matrix, as near as rounding lets them be known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from git_theta.tensors.blas import one_thread
from git_theta.updates.low_rank.factors import Factors, make_factors
from git_theta.updates.low_rank.low_rank_prediction import round_right, round_rows
from git_theta.updates.low_rank.matrix_change import MatrixChange, MatrixPair
from git_theta.updates.low_rank.rank_probe import NOISE, probe_rank
from git_theta.updates.low_rank.search_cost import estimate_seconds, is_affordable
from git_theta.updates.low_rank.weighted_fit import find_directions, fit_left

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

_SAMPLED = 1 << 20
"""Numbers of the rows that tell the right factor."""
_MOST_NUMBERS = 1 << 22
"""Of both factors."""
_LONGEST_ROW = 1 << 19
_PASSES, _CHEAP_RANK = 2, 32
"""Times that each side is fitted to the other; once alone beyond a rank, where a pass takes ten times as long."""
_FINER = 5
"""Bits that a factor has beyond those that tell the change from its rounding: measured, on all three dtypes."""
_ABOVE_NOISE = 2.5
"""Times the largest singular value of noise alone that one must have to count."""


def find_factors(pair: MatrixPair, budget: int | None = None) -> Factors | None:
    """Factors whose product is about the change; None where it is no product of low rank.

    Reads a corner of it first, all of it twice where that looks like one, and holds both factors and some rows.

    Args:
        pair: the matrix before and after the change.
        budget: seconds of a processor per GB of the matrix that it may take; None for any.
    """
    import numpy as np

    if not pair.rows or pair.columns > _LONGEST_ROW:
        return None
    try:
        with one_thread(), np.errstate(all="ignore"):
            rank = probe_rank(pair)
            fits = 0 < rank * (pair.rows + pair.columns) <= _MOST_NUMBERS
            may_look = fits and is_affordable(_estimate_seconds(pair, rank), pair.size, budget)
            return _find_factors(pair, rank) if may_look else None
    except np.linalg.LinAlgError:  # an iteration that did not converge
        return None


def _estimate_seconds(pair: MatrixPair, rank: int) -> float:
    return estimate_seconds(rank, pair.rows, pair.columns, _count_sampled(pair), _count_passes(rank))


def _count_passes(rank: int) -> int:
    return _PASSES if rank <= _CHEAP_RANK else 1


def _count_sampled(pair: MatrixPair) -> int:
    return min(pair.rows, max(1, _SAMPLED // pair.columns))


def _find_factors(pair: MatrixPair, rank: int) -> Factors | None:
    sample = _sample_rows(pair)
    right = _fit_right(sample, rank)
    if right is None:
        return None
    bits = _count_bits(sample)
    right = round_right(_shorten(right, bits))
    return make_factors(_fit_left(pair, right, bits), right)


def _sample_rows(pair: MatrixPair) -> MatrixChange:
    """Rows from all over, as many as may be held."""
    import numpy as np

    wanted = _count_sampled(pair)
    places = np.arange(wanted) * pair.rows // wanted
    sample = MatrixChange(np.empty((wanted, pair.columns), np.float32), np.empty((wanted, pair.columns), np.float32))
    for piece in pair.read_pieces():
        new, old = pair.codes(piece)
        first, end = np.searchsorted(places, (piece.first, piece.first + len(new)))
        change = pair.measure_change(*(codes[places[first:end] - piece.first] for codes in (new, old)))
        sample.numbers[first:end], sample.units[first:end] = change
    return sample


def _fit_right(sample: MatrixChange, rank: int) -> Doubles | None:
    """Of as many rows as there are directions above the noise; None where more than noise lies beyond them."""
    import numpy as np

    right, values = find_directions(sample.numbers, rank)
    rows, columns = sample.numbers.shape
    energy, noise = sample.energy(), sample.noise_energy()
    largest = np.sqrt(noise / sample.numbers.size) * (np.sqrt(rows) + np.sqrt(columns))
    found = int(np.count_nonzero(values > _ABOVE_NOISE * largest))
    if not found or energy - np.square(values[:found]).sum() > NOISE * noise:
        return None
    right, numbers, weights = right[:found], sample.numbers, sample.weigh()
    for _ in range(_count_passes(found)):
        right = fit_left(numbers.T, weights.T, fit_left(numbers, weights, right).T).T
    return right


def _count_bits(sample: MatrixChange) -> int:
    """Bits that factors need: fewer would show beside what rounding hides."""
    import numpy as np

    size = np.sqrt(sample.energy() / sample.numbers.size)
    return int(np.clip(np.rint(np.log2(size / sample.find_usual_unit()) + _FINER), 4, 24))


def _shorten(factor: Doubles, bits: int) -> Doubles:
    """Each number to so many bits."""
    return round_rows(factor.reshape(-1, 1), bits).reshape(factor.shape)


def _fit_left(pair: MatrixPair, right: Doubles, bits: int) -> NDArray[np.float32]:
    import numpy as np

    left = np.empty((pair.rows, len(right)), np.float32)
    for piece in pair.read_pieces():
        change = pair.measure_change(*pair.codes(piece))
        fitted = fit_left(change.numbers, change.weigh(), right)
        left[piece.first : piece.first + len(fitted)] = _shorten(fitted, bits)
    return left
