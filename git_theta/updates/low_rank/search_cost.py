"""What finding factors or scales takes, told beforehand.

From shape and rank, never by a clock: so equal bytes are stored alike everywhere (L2).
"""

from __future__ import annotations

from git_theta.updates.low_rank.weighted_fit import count_used

_STARTING, _PER_NUMBER, _PER_ROW, _PER_PRODUCT = 2e-3, 3e-9, 6.5e-6, 0.12e-9
"""Seconds of a processor: fitted to what matrices from 384 by 384 to 2048 by 2048 took, of ranks from 4 to 64."""
_PER_SCALED = 11e-9
"""Seconds for each number of a matrix, where its scales are looked for."""


def is_affordable(seconds: float, size: int, budget: int | None) -> bool:
    """Whether looking for something in ``size`` bytes may take so long. ``budget``: seconds per GB; None for any."""
    return budget is None or seconds * 1e9 <= budget * size


def estimate_scaling(rows: int, columns: int) -> float:
    """Seconds that finding the scales of a matrix takes."""
    return _STARTING + _PER_SCALED * rows * columns


def estimate_seconds(rank: int, rows: int, columns: int, sampled: int, passes: int) -> float:
    """Seconds that finding factors takes, of one core of a server of 2026: within a factor of two of what was measured.

    Args:
        rank: of the change, at most.
        rows: of the matrix.
        columns: of the matrix.
        sampled: rows that tell the right factor.
        passes: times that both sides are fitted to these.
    """
    both = _fit_seconds(rank, sampled, columns) + _fit_seconds(rank, columns, sampled)
    return _STARTING + _PER_NUMBER * rows * columns + passes * both + _fit_seconds(rank, rows, columns)


def _fit_seconds(rank: int, rows: int, columns: int) -> float:
    """Of rows that are fitted to a factor of so many columns."""
    products = count_used(rank, columns) * rank * (rank + 1) / 2
    return rows * (_PER_ROW + _PER_PRODUCT * products)
