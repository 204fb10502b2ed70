"""The reward: the cosine between gradients of a data set and of the target (arXiv 2302.00674, section 3)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from git_theta.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor


def measure_alignment(gradients: Iterable[Tensor], target: Iterable[Tensor]) -> float:
    """The cosine of two gradients, each given as tensors of the same parameters; in fp64.

    The paper takes those of the last layer alone, which is cheap to keep. 0 where one of them is 0 everywhere.
    Raises UsageError where they do not have the same shapes.
    """
    ours, theirs = list(gradients), list(target)
    if [one.shape for one in ours] != [one.shape for one in theirs]:
        raise UsageError("the gradients are not of the same parameters", hint="Give both in one order.")
    pairs = [(one.detach().double(), other.detach().double()) for one, other in zip(ours, theirs, strict=True)]
    inner, norm, other_norm = (
        math.fsum(float(product.sum()) for product in products)
        for products in ((a * b for a, b in pairs), (a * a for a, _ in pairs), (b * b for _, b in pairs))
    )
    return inner / math.sqrt(norm * other_norm) if norm and other_norm else 0.0
