"""Numbers as their differences from predicted ones: what is told first, and what is left to tell after it.

Normative: docs/spec/objects.md, section 3. In order: which tiles did not change; which of the others are quiet, and how
these moved; which of the numbers that are left are 0 now; how the others moved. Words come before what they tell of.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from git_theta.updates.delta.block_arrays import ArrayReader, ArrayWriter
from git_theta.updates.delta.element_kinds import ElementKind, Order
from git_theta.updates.delta.flags import read_flags, write_flags
from git_theta.updates.delta.predictions import Predicted
from git_theta.updates.delta.residuals import read_changes, read_differences, write_changes, write_differences
from git_theta.updates.delta.tiles import (
    count_tiles,
    find_changed,
    find_quiet,
    gather_numbers,
    scatter_numbers,
    take_tiles,
    tile_rows,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from git_theta.updates.delta.element_kinds import Numbers, Places

    ZeroFlags = NDArray[np.bool_]


class Tiles(IntEnum):
    """Which tiles are told apart; the word."""

    NONE = 0
    UNCHANGED = 1
    QUIET = 2


class Zeros(IntEnum):
    """Which numbers that are 0 now are told; the word."""

    NONE = 0
    PLAIN = 1
    SIGNED = 2
    """Those that kept their sign, as a number times 0 does."""


class Form(IntEnum):
    """How the numbers that are left moved; the word."""

    PLANES = 0
    CHANGES = 1


_FEWEST_ZEROS = 64
"""One number in so many that has become 0 pays for the flags of all."""


def write_delta(writer: ArrayWriter, numbers: Numbers, prediction: Predicted, kind: ElementKind) -> None:
    """Numbers, as many as are predicted."""
    import numpy as np

    predicted, nearness = prediction
    differences = numbers - predicted
    changed, quiet = find_changed(differences), find_quiet(differences, kind)
    told = Tiles.QUIET if quiet.any() else Tiles.NONE if changed.all() else Tiles.UNCHANGED
    writer.add_word(told)
    if told != Tiles.NONE:
        write_flags(writer, changed)
        if told == Tiles.QUIET:
            write_flags(writer, quiet[changed])
            old, moved = (take_tiles(each, np.flatnonzero(quiet)) for each in (predicted, differences))
            write_differences(writer, moved.take(kind.sort_places(old, Order.FRACTION)), kind)
        left = np.flatnonzero(changed & ~quiet)
        numbers, predicted, differences = (gather_numbers(each, left) for each in (numbers, predicted, differences))
        nearness = gather_numbers(nearness, left) if nearness is not None else None
    if len(numbers):
        _write_moved(writer, numbers, Predicted(predicted, nearness), differences, kind)


def read_delta(reader: ArrayReader, prediction: Predicted, kind: ElementKind) -> Numbers:
    """The numbers again, as many as are predicted. Raises CorruptObject."""
    import numpy as np

    numbers, nearness = prediction.numbers.copy(), prediction.nearness
    told = reader.take_word(Tiles.QUIET if kind.may_be_quiet else Tiles.UNCHANGED)
    if told == Tiles.NONE:
        _read_moved(reader, numbers, nearness, kind)
        return numbers
    left = np.flatnonzero(read_flags(reader, count_tiles(len(numbers))))
    if told == Tiles.QUIET:
        are_quiet = read_flags(reader, len(left))
        quiet, left = left[are_quiet], left[~are_quiet]
        old = take_tiles(numbers, quiet)
        _move_numbers(old, kind.sort_places(old, Order.FRACTION), read_differences(reader, len(old), kind))
        tile_rows(numbers)[quiet] = old.reshape(len(quiet), -1)
    moved = gather_numbers(numbers, left)
    _read_moved(reader, moved, gather_numbers(nearness, left) if nearness is not None else None, kind)
    scatter_numbers(numbers, left, moved)
    return numbers


def _write_moved(
    writer: ArrayWriter, numbers: Numbers, prediction: Predicted, differences: Numbers, kind: ElementKind
) -> None:
    predicted, nearness = prediction
    told, zeros = _find_zeros(numbers, predicted, kind)
    order = Order.NONE if not kind.fraction else Order.EXPONENT if told == Zeros.NONE else Order.MAGNITUDE
    if nearness is not None and told == Zeros.NONE and _are_few(differences):
        order = Order.NEARNESS
    writer.add_word(order)
    writer.add_word(told)
    places = kind.sort_places(predicted, order, nearness)
    if told != Zeros.NONE:
        zeros = zeros.take(places)
        write_flags(writer, zeros)
        places = places[~zeros]
    differences = differences.take(places, mode="clip")
    few = _are_few(differences)
    writer.add_word(Form.CHANGES if few else Form.PLANES)
    (write_changes if few else write_differences)(writer, differences, kind)


def _are_few(differences: Numbers) -> bool:
    """Whether so many are 0 that flags of the others pay."""
    import numpy as np

    return bool(4 * np.count_nonzero(differences) <= 3 * len(differences))


def _read_moved(reader: ArrayReader, numbers: Numbers, nearness: Numbers | None, kind: ElementKind) -> None:
    """In place of predicted numbers, what they have become."""
    if not len(numbers):
        return
    most = Order.NONE if not kind.fraction else Order.MAGNITUDE if nearness is None else Order.NEARNESS
    order = Order(reader.take_word(most))
    told = reader.take_word(Zeros.SIGNED if kind.fraction else Zeros.PLAIN)
    places = kind.sort_places(numbers, order, nearness)
    if told != Zeros.NONE:
        zeros = read_flags(reader, len(places))
        cleared = places[zeros]
        numbers[cleared] &= kind.sign if told == Zeros.SIGNED else 0
        places = places[~zeros]
    if reader.take_word(Form.CHANGES) == Form.CHANGES:
        moved, differences = read_changes(reader, len(places), kind)
        numbers[places.take(moved)] += differences
    else:
        _move_numbers(numbers, places, read_differences(reader, len(places), kind))


def _move_numbers(numbers: Numbers, places: Places, differences: Numbers) -> None:
    """Add differences to the numbers at nearly all places: put back first, they are added in one go."""
    import numpy as np

    moves = np.zeros_like(numbers)
    moves[places] = differences
    numbers += moves


def _find_zeros(numbers: Numbers, predicted: Numbers, kind: ElementKind) -> tuple[Zeros, ZeroFlags]:
    """Which zeros are to be told, and where they are, where enough numbers have become 0."""
    import numpy as np

    zeros = numbers << 1 == 0 if kind.fraction else numbers == 0
    if np.count_nonzero(zeros) * _FEWEST_ZEROS < len(numbers):
        return Zeros.NONE, zeros
    pruned = zeros & (predicted << 1 != 0 if kind.fraction else predicted != 0)
    if np.count_nonzero(pruned) * _FEWEST_ZEROS < len(numbers):
        return Zeros.NONE, zeros
    plain = numbers == 0
    signed = numbers == predicted & kind.sign
    if kind.fraction and np.count_nonzero(signed) > np.count_nonzero(plain):
        return Zeros.SIGNED, signed
    return Zeros.PLAIN, plain
