"""Whether a matrix changed by a product of low rank: told from a small part of it, so that others lose no time.

A fine-tune moves a matrix in as many directions as it has, and each by more than rounding does, if it is seen at all.
What an adapter leaves, beyond its few directions, is what rounding made of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from git_theta.updates.low_rank.matrix_change import MatrixPair

if TYPE_CHECKING:
    from git_theta.updates.delta.element_kinds import Numbers

MAX_FOUND_RANK = 64
_SIDE, _LARGE_SIDE, _LARGE = 64, 160, 4 << 20
"""Rows and columns of a sample, and those of matrices of so many bytes: an adapter's rank must be well below."""
_LEAST_SIDE = 48
_LEAST_CHANGE, _SURE_SHARE, _STEEPNESS = 6.0, 0.25, 20.0
"""Times the energy of rounding that a change must have, where its rank is up to a quarter of the sample's; and how much
more beyond: of a change in all directions that is hardly above rounding, half of them have nearly all."""
NOISE = 2.6
"""Times the energy of rounding that may be left beyond an adapter's directions: the base may be rounded, too."""
_LARGEST_SHARE = 0.6
"""Of a sample's directions, that an adapter may take: the others must tell that there are no more."""


def probe_rank(pair: MatrixPair) -> int:
    """A rank that the change does not exceed, so far as a sample tells; 0 where there is none, or it is too small."""
    import numpy as np

    if min(pair.rows, pair.columns) < _LEAST_SIDE:
        return 0
    change = pair.measure_change(*sample_corner(pair))
    energy, noise = change.energy(), change.noise_energy()
    if not np.isfinite(energy) or energy < _LEAST_CHANGE * noise:
        return 0
    squares = np.linalg.svd(change.numbers, compute_uv=False) ** 2
    left = np.cumsum(squares[::-1])[::-1]
    size = min(change.numbers.shape)
    most = min(MAX_FOUND_RANK, int(_LARGEST_SHARE * size))
    ranks = np.arange(1, most + 1)
    least = _LEAST_CHANGE * (1 + _STEEPNESS * np.maximum(ranks / size - _SURE_SHARE, 0))
    quiet = np.flatnonzero((left[1 : most + 1] <= NOISE * noise * (1 - ranks / size) ** 2) & (energy >= least * noise))
    return int(ranks[quiet[0]]) if len(quiet) else 0


def sample_corner(pair: MatrixPair) -> tuple[Numbers, Numbers]:
    """Codes, new and old, of the first rows that are read anyway, or a few more, and of columns from all over."""
    import numpy as np

    side = min(_LARGE_SIDE if pair.size >= _LARGE else _SIDE, pair.rows, pair.columns)
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
