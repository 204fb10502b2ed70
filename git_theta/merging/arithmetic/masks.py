"""Masks over floats, made of integer operations on their bits.

A mask has the integer dtype of the floats' size, and holds -1 (all bits: take it) or 0. On a CPU this is five to twenty
times as fast as boolean masks, and drops infinities and NaNs where a multiplication by 0 would not.
"""

from __future__ import annotations

from git_theta.tensors.array_library import Vector, namespace


def bits(values: Vector) -> Vector:
    """fp32 or fp64 seen as int32 or int64."""
    xp = namespace(values)
    return values.view(xp.int64 if values.itemsize == 8 else xp.int32)


def mark_negative(integers: Vector) -> Vector:
    """-1 where the sign bit is set; in place."""
    integers >>= 8 * integers.itemsize - 1
    return integers


def above(integers: Vector, threshold: int) -> Vector:
    """-1 where a non-negative integer is larger than ``threshold`` >= -1."""
    return mark_negative(threshold - integers)


def nonzero(values: Vector) -> Vector:
    """-1 where a float is neither 0.0 nor -0.0."""
    return mark_negative(-bits(abs(values)))


def apply(values: Vector, mask: Vector) -> Vector:
    """The floats where the mask is -1, 0.0 elsewhere."""
    return (bits(values) & mask).view(values.dtype)


def positive_nan(values: Vector) -> Vector:
    """The same floats, with every NaN positive: which sign arithmetic gives a NaN is the processor's choice."""
    xp = namespace(values)
    same = xp.asarray(values, copy=True)
    same[xp.isnan(values)] = xp.nan
    return same


def indices(chosen: Vector) -> Vector:
    """Where a boolean array is True, ascending."""
    return namespace(chosen).nonzero(chosen)[0]


def count(chosen: Vector) -> int:
    """How often a boolean array is True."""
    return int(namespace(chosen).count_nonzero(chosen))
