"""Whether a matrix changed by a product of low rank: told from a small part of it, so that others lose no time.

A fine-tune moves a matrix in as many directions as it has, and each by more than rounding does, if it is seen at all.
What an adapter leaves, beyond its few directions, is what rounding made of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from git_theta.updates.low_rank.matrix_change import MatrixChange, MatrixPair

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from git_theta.updates.delta.element_kinds import Numbers

    Doubles = NDArray[np.float64]

MAX_FOUND_RANK = 64
_SIDE = 160
"""Rows and columns of a sample: an adapter's rank must be well below."""
_LEAST_SIDE = 48
_COARSE = 3
"""Of every third row and column first: of most fine-tunes in 16 bits little lies above rounding."""
_TESTED_ROWS, _MOST_LEFT = 96, 30.0
"""Rows of which the last quarter is to be told by the others, but for so many times the energy of rounding: of adapters
1 to 3 times is left, of a fine-tune in fp32 a million times."""
_LEAST_CHANGE, _SURE_SHARE, _STEEPNESS = 6.0, 0.25, 20.0
"""Times the energy of rounding that a change must have, where its rank is up to a quarter of the sample's; and how much
more beyond: of a change in all directions that is hardly above rounding, half of them have nearly all."""
NOISE = 2.6
"""Times the energy of rounding that may be left beyond an adapter's directions: the base may be rounded, too."""
_PRECISE = 1e9
"""Times the energy of rounding, up to which what is rounded to 1e-15 of the largest tells it to a ten-thousandth."""
_LARGEST_SHARE = 0.6
"""Of a sample's directions, that an adapter may take: the others must tell that there are no more."""


def probe_rank(pair: MatrixPair) -> int:
    """A rank that the change does not exceed, so far as a sample tells; 0 where there is none, or it is too small."""
    import numpy as np

    if min(pair.rows, pair.columns) < _LEAST_SIDE:
        return 0
    new, old = sample_corner(pair, _SIDE)
    coarse = (slice(None, None, _COARSE),) * 2
    few = pair.measure_change(new[coarse], old[coarse])
    if few.energy() < _LEAST_CHANGE * few.noise_energy():
        return 0
    change = pair.measure_change(new, old)
    energy, noise = change.energy(), change.noise_energy()
    if not np.isfinite(energy) or energy < _LEAST_CHANGE * noise or not _tell_each_other(change, noise):
        return 0
    squares = _square_singular_values(change, energy < _PRECISE * noise)
    left = np.cumsum(squares[::-1])[::-1]
    size = min(change.numbers.shape)
    most = min(MAX_FOUND_RANK, int(_LARGEST_SHARE * size))
    ranks = np.arange(1, most + 1)
    least = _LEAST_CHANGE * (1 + _STEEPNESS * np.maximum(ranks / size - _SURE_SHARE, 0))
    quiet = np.flatnonzero((left[1 : most + 1] <= NOISE * noise * (1 - ranks / size) ** 2) & (energy >= least * noise))
    return int(ranks[quiet[0]]) if len(quiet) else 0


def _tell_each_other(change: MatrixChange, noise: float) -> bool:
    """Whether the last rows of some are about sums of the first: in a tenth of the time of a decomposition.

    The diagonal of a Cholesky factor is what each row has that those before it have not.
    """
    import numpy as np

    rows = change.numbers[:_TESTED_ROWS]
    try:
        diagonal = np.diagonal(np.linalg.cholesky(rows @ rows.T))
    except np.linalg.LinAlgError:  # nothing at all is left of one
        return True
    left = np.square(diagonal[3 * len(rows) // 4 :]).mean()
    return bool(left <= _MOST_LEFT * noise / len(change.numbers))


def _square_singular_values(change: MatrixChange, may_round: bool) -> Doubles:
    """The largest first. As eigenvalues, which are rounded to 1e-15 of the largest, they take half the time."""
    import numpy as np

    if may_round:
        return np.linalg.eigvalsh(change.numbers @ change.numbers.T)[::-1]
    found: Doubles = np.linalg.svd(change.numbers, compute_uv=False) ** 2
    return found


def sample_corner(pair: MatrixPair, most: int) -> tuple[Numbers, Numbers]:
    """Codes, new and old, of at most ``most`` rows and columns: the first rows that are read anyway, or a few more."""
    import numpy as np

    side = min(most, pair.rows, pair.columns)
    columns = np.arange(side) * pair.columns // side
    news, olds, count = [], [], 0
    for piece in pair.read_pieces():
        new, old = pair.codes(piece)
        taken = slice(0, side - count) if len(new) < side - count or count else np.arange(side) * len(new) // side
        news.append(new[taken][:, columns])
        olds.append(old[taken][:, columns])
        count += len(news[-1])
        if count >= side:
            break
    return np.concatenate(news), np.concatenate(olds)
