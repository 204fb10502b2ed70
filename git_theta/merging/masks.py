"""Masks over floats, made of integer operations on their bits.

A mask has the integer dtype of the floats' size, and holds -1 (all bits: take it) or 0. On a CPU this is five to twenty
times as fast as torch's boolean masks, and drops infinities and NaNs where a multiplication by 0 would not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def bits(values: Tensor) -> Tensor:
    """fp32 or fp64 seen as int32 or int64."""
    import torch

    return values.view(torch.int64 if values.dtype == torch.float64 else torch.int32)


def negative(integers: Tensor) -> Tensor:
    """-1 where the sign bit is set."""
    return integers >> (8 * integers.element_size() - 1)


def above(integers: Tensor, threshold: int) -> Tensor:
    """-1 where a non-negative integer is larger than ``threshold`` >= -1."""
    return negative(threshold - integers)


def nonzero(values: Tensor) -> Tensor:
    """-1 where a float is neither 0.0 nor -0.0."""
    return negative(-bits(values.abs()))


def masked(values: Tensor, mask: Tensor) -> Tensor:
    """The floats where the mask is -1, 0.0 elsewhere."""
    return (bits(values) & mask).view(values.dtype)


def canonical(values: Tensor) -> Tensor:
    """The same floats, with every NaN positive: which sign arithmetic gives a NaN is the processor's choice."""
    import torch

    low, _ = torch.aminmax(values)
    return values.masked_fill(values.isnan(), torch.nan) if bool(low.isnan()) else values
