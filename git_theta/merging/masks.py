"""Masks over floats, made of integer operations on their bits.

A mask has the integer dtype of the floats' size, and holds -1 (all bits: take it) or 0. On a CPU this is five to twenty
times as fast as torch's boolean masks, and drops infinities and NaNs where a multiplication by 0 would not.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def bits(values: Tensor) -> Tensor:
    """fp32 or fp64 seen as int32 or int64."""
    import torch

    return values.view(torch.int64 if values.dtype == torch.float64 else torch.int32)


def negative_(integers: Tensor) -> Tensor:
    """-1 where the sign bit is set; in place."""
    return integers.bitwise_right_shift_(8 * integers.element_size() - 1)


def above(integers: Tensor, threshold: int) -> Tensor:
    """-1 where a non-negative integer is larger than ``threshold`` >= -1."""
    return negative_(threshold - integers)


def nonzero(values: Tensor) -> Tensor:
    """-1 where a float is neither 0.0 nor -0.0."""
    return negative_(bits(values.abs()).neg_())


def masked(values: Tensor, mask: Tensor) -> Tensor:
    """The floats where the mask is -1, 0.0 elsewhere."""
    return (bits(values) & mask).view(values.dtype)


def positive_nan(values: Tensor) -> Tensor:
    """The same floats, with every NaN positive: which sign arithmetic gives a NaN is the processor's choice."""
    import torch

    return values.masked_fill(values.isnan(), torch.nan)


def indices(chosen: Tensor) -> Tensor:
    """Where a boolean tensor is True, ascending. On a CPU numpy takes a fifth of the time that torch does."""
    import numpy as np
    import torch

    if chosen.device.type != "cpu":
        return chosen.nonzero().flatten()
    return torch.from_numpy(np.flatnonzero(chosen.numpy()))


def between(integers: Tensor, low: int, high: int) -> Tensor:
    """Where non-negative integers lie from ``low`` to ``high``, ascending."""
    import numpy as np
    import torch

    if integers.device.type != "cpu":
        return indices((integers >= low) & (integers <= high))
    unsigned = integers.numpy().view(f"u{integers.element_size()}")
    return torch.from_numpy(np.flatnonzero(unsigned - low <= high - low))


def count(chosen: Tensor) -> int:
    """How often a boolean tensor is True. On a CPU numpy takes a fifth of the time that torch does."""
    import numpy as np

    return int(chosen.sum()) if chosen.device.type != "cpu" else int(np.count_nonzero(chosen.numpy()))


def is_finite(values: Tensor) -> bool:
    """Whether all are finite, in one pass that keeps nothing; False perhaps also where their range overflows."""
    import torch

    low, high = torch.aminmax(values)
    return math.isfinite(float(high - low))
