"""L9: arithmetic that gives the same bytes for any chunk size, thread count and device.

Only elementwise multiplication, addition, division and comparison, each rounded by itself as IEEE 754 says: no fused
multiply-add, no matrix product, no sum over a tensor. Numbers that all elements share (weights, lambda) are tensors of
one element: with Python numbers, torch divides on CUDA by multiplying with the reciprocal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from git_theta.errors import UsageError
from git_theta.merging import masks
from git_theta.merging.base import Contest, Head, Operand
from git_theta.tensors.dtypes import BY_NAME, DType
from git_theta.tensors.torch_values import torch_dtype

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_REAL = {"C128": "F64", "C64": "F32", "C32": "F16"}
_NAN = {
    "F64": 0x7FF8 << 48,
    "F32": 0x7FC00000,
    "F16": 0x7E00,
    "BF16": 0x7FC0,
    "F8_E4M3": 0x7F,
    "F8_E5M2": 0x7F,
    "F8_E4M3FNUZ": -0x80,
    "F8_E5M2FNUZ": -0x80,
}
"""The NaN that we write, as a signed integer: which one arithmetic gives is the processor's choice."""


class Chunk(NamedTuple):
    """Some elements of every operand: the index of the first one, and the values, 1-D, fp32 or fp64."""

    start: int
    values: list[Tensor]


def number_dtype(dtype: DType) -> DType:
    """What an element is made of: of a complex one, two numbers of this dtype."""
    return BY_NAME[_REAL.get(dtype.name, dtype.name)]


def numbers(contest: Contest) -> int:
    """How many numbers the contested tensor has; a complex element is two."""
    return contest.spec.elements * (2 if contest.spec.dtype.kind == "complex" else 1)


def is_wide(contest: Contest) -> bool:
    """Whether it is computed in fp64."""
    return number_dtype(contest.spec.dtype).name == "F64"


def accumulator(contest: Contest) -> torch.dtype:
    """The dtype that it is computed in."""
    import torch

    return torch.float64 if is_wide(contest) else torch.float32


def labels(heads: Sequence[Head]) -> list[str]:
    """What reports call them."""
    return [f"head {head.position + 1}" for head in heads]


def weight(contest: Contest, value: float) -> Tensor | None:
    """``shared``, but None for 1: multiplying by it changes nothing, and takes time."""
    return None if value == 1 else shared(contest, value)


def shared(contest: Contest, value: float) -> Tensor:
    """A number that all elements share, rounded once to the accumulator. Raises UsageError for one beyond that."""
    import torch

    found = torch.tensor([value], dtype=torch.float64).to(accumulator(contest))
    if math.isfinite(value) and not found.isfinite():
        raise UsageError(f"{value:g} is more than {contest.name} can be multiplied by", hint="Choose a smaller number.")
    return found.to(contest.device)


def stream(contest: Contest, operands: Sequence[Operand]) -> Iterator[Chunk]:
    """The operands side by side, ``contest.chunk`` numbers at a time, on the contest's device."""
    dtype = contest.spec.dtype
    wide = accumulator(contest)
    start = 0
    for pieces in zip(*(_cut(_flat(operand, dtype), contest.chunk) for operand in operands), strict=True):
        yield Chunk(start, [piece.to(contest.device).to(wide) for piece in pieces])
        start += len(pieces[0])


def weighted_sum(terms: Sequence[Tensor], weights: Sequence[Tensor | None]) -> Tensor:
    """The sum of weight * term, term after term; None for a weight of 1."""
    total: Tensor | None = None
    for term, weight in zip(terms, weights, strict=True):
        weighted = term if weight is None else term * weight
        total = weighted if total is None else total + weighted
    assert total is not None
    return total


def compute(
    contest: Contest, operands: Sequence[Operand], labels: Sequence[str], formula: Callable[[Chunk], Tensor]
) -> Iterator[Tensor]:
    """The formula's value chunk by chunk, in the stored dtype. Reports what is not finite, by label."""
    counts = dict.fromkeys([*labels, "result"], 0)
    for chunk in stream(contest, operands):
        result = formula(chunk)
        for label, values in zip(labels, chunk.values, strict=True):
            counts[label] += _nonfinite(values)
        stored = rounded(result, contest.spec.dtype)
        counts["result"] += _nonfinite(stored.to(result.dtype))
        yield stored.view(torch_dtype(contest.spec.dtype))
    contest.report.nonfinite.update({label: count for label, count in counts.items() if count})


def rounded(values: Tensor, dtype: DType) -> Tensor:
    """fp32 or fp64 to the stored number dtype: to nearest, ties to even; what is too large as torch's casts have it."""
    number = number_dtype(dtype)
    stored = values.to(torch_dtype(number))
    return stored if masks.is_finite(stored.to(values.dtype)) else _with_our_nan(stored, values.isnan(), number)


def _with_our_nan(stored: Tensor, nan: Tensor, number: DType) -> Tensor:
    import torch

    return stored.view(getattr(torch, f"int{number.bits}")).masked_fill(nan, _NAN[number.name]).view(stored.dtype)


def _flat(operand: Operand, dtype: DType) -> Iterator[Tensor]:
    kind = torch_dtype(number_dtype(dtype))
    return (piece.view(kind) for piece in operand.chunks() if piece.numel())


def _cut(pieces: Iterator[Tensor], size: int) -> Iterator[Tensor]:
    """The pieces joined and cut anew, ``size`` elements each; the last one shorter."""
    held: list[Tensor] = []
    missing = size
    for whole in pieces:
        rest = whole
        while len(rest) >= missing:
            held.append(rest[:missing])
            rest = rest[missing:]
            yield _joined(held)
            held, missing = [], size
        if len(rest):
            held.append(rest)
            missing -= len(rest)
    if held:
        yield _joined(held)


def _joined(pieces: list[Tensor]) -> Tensor:
    import torch

    return pieces[0] if len(pieces) == 1 else torch.cat(pieces)


def _nonfinite(values: Tensor) -> int:
    return 0 if masks.is_finite(values) else int(values.isfinite().logical_not().sum())
