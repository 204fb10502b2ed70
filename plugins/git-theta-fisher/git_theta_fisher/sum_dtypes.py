"""In which dtype sums over examples are kept, and so what they are written in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def choose_sum_dtype(tensor: Tensor) -> torch.dtype:
    """fp64 for fp64, fp32 for all else: half precision would lose the small terms of a long sum."""
    import torch

    return torch.float64 if tensor.dtype == torch.float64 else torch.float32
