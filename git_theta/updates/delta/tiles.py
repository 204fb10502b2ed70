"""Runs of 128 numbers that did not change at all, and those that weight decay alone has changed.

Rows of an embedding whose words did not occur got no gradient. Their differences, where there are any, are a function
of the fraction of each number, and hardly one of its exponent; among others, neither kind could be told by the
exponent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from git_theta.updates.delta.element_kinds import ElementKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from git_theta.updates.delta.element_kinds import Numbers, Places

    TileFlags = NDArray[np.bool_]

TILE = 128
"""Numbers; no row of a matrix that matters is shorter."""
_SHARE_BITS = 7
"""Quiet is what moved by less than 2 ** -7 of a number: what became 0 moved by about all of it, whatever it was."""
_GROUP, _WHOLE_GROUP = 16, 0xFFFF
_OUTLIERS = 2
"""Groups of a tile, of eight, that may hold what moved less: zeros, numbers that were rounded."""


def count_tiles(count: int) -> int:
    """Whole tiles among so many numbers; what is left over belongs to none."""
    return count // TILE


def find_changed(differences: Numbers) -> TileFlags:
    """Which tiles have a difference that is not 0."""
    import numpy as np

    any_bits = np.bitwise_or.reduce(tile_rows(differences).view("<u8"), axis=1)
    return np.asarray(any_bits != 0)


def find_quiet(differences: Numbers, kind: ElementKind) -> TileFlags:
    """Which tiles moved by a share of each number: all differences of one within a factor of four.

    Of a short fraction nothing is left of such moves: no tile is quiet then. A few numbers of each tile refute most.
    """
    import numpy as np

    rows = tile_rows(differences).view(kind.signed)
    if not kind.may_be_quiet:
        return np.zeros(len(rows), np.bool_)
    limit = 1 << (kind.fraction - _SHARE_BITS)
    few, most = _find_alike(np.abs(np.asfortranarray(rows[:, ::_GROUP])))  # eight long columns: numpy loops in them
    quiet = (most < limit) & _are_most(few)
    likely = np.flatnonzero(quiet)
    alike, most = _find_alike(np.abs(rows.take(likely, axis=0)))
    quiet[likely] = (most < limit) & _are_most(np.packbits(alike, axis=1).view("<u2") == _WHOLE_GROUP)
    return quiet


def _find_alike(sizes: Numbers) -> tuple[TileFlags, Numbers]:
    """Which of each tile are not 0, and at least a quarter of its largest; and the largest ones: (tiles, sizes)."""
    import numpy as np

    most = sizes.max(axis=1, initial=0)
    return sizes >= np.maximum(most >> 2, 1)[:, None], most


def _are_most(groups: TileFlags) -> TileFlags:
    """Of which tiles they are, but for outliers: (tiles, groups)."""
    import numpy as np

    return np.asarray(np.count_nonzero(groups, axis=1) >= TILE // _GROUP - _OUTLIERS)


def tile_rows(numbers: Numbers) -> Numbers:
    """The tiles as rows of TILE numbers: a view, without what is left over."""
    return numbers[: count_tiles(len(numbers)) * TILE].reshape(-1, TILE)


def take_tiles(numbers: Numbers, tiles: Places) -> Numbers:
    """The numbers of these tiles; copied."""
    return tile_rows(numbers).take(tiles, axis=0).reshape(-1)


def gather_numbers(numbers: Numbers, tiles: Places) -> Numbers:
    """The numbers of these tiles, and what is left over after all of them; copied."""
    import numpy as np

    return np.concatenate((take_tiles(numbers, tiles), numbers[tile_rows(numbers).size :]))


def scatter_numbers(numbers: Numbers, tiles: Places, gathered: Numbers) -> None:
    """Put back what ``gather_numbers`` gave."""
    rows = tile_rows(numbers)
    rows[tiles] = gathered[: len(tiles) * TILE].reshape(-1, TILE)
    numbers[rows.size :] = gathered[len(tiles) * TILE :]
