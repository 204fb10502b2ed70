"""L9: arithmetic that gives the same bytes for any chunk size, thread count, array library and device.

Only elementwise multiplication, addition, division and comparison, each rounded by itself as IEEE 754 says: no fused
multiply-add, no matrix product, no sum over a tensor. Numbers that all elements share (weights, lambda) are arrays of
one element: with Python numbers, torch divides on CUDA by multiplying with the reciprocal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from git_theta.errors import PluginError, UsageError
from git_theta.merging.base import Contest, ContestHead, Operand
from git_theta.tensors.array_library import Vector, count_nonfinite, namespace
from git_theta.tensors.dtypes import DType
from git_theta.tensors.numbers import number_dtype, numbers_per_element


class Chunk(NamedTuple):
    """Some elements of every operand: the index of the first one, and the values, 1-D, fp32 or fp64."""

    start: int
    values: list[Vector]


def numbers(contest: Contest) -> int:
    """How many numbers the contested tensor has; a complex element is two."""
    return contest.spec.elements * numbers_per_element(contest.spec.dtype)


def is_wide(contest: Contest) -> bool:
    """Whether it is computed in fp64."""
    return number_dtype(contest.spec.dtype).name == "F64"


def labels(heads: Sequence[ContestHead]) -> list[str]:
    """What reports call them."""
    return [f"head {head.position + 1}" for head in heads]


def companion_labels(heads: Sequence[ContestHead], name: str) -> list[str]:
    """What reports call the tensors of the heads in a companion."""
    return [f"{name} of head {head.position + 1}" for head in heads]


def weight(contest: Contest, value: float) -> Vector | None:
    """``shared``, but None for 1: multiplying by it changes nothing, and takes time."""
    return None if value == 1 else shared_weight(contest, value)


def shared_weight(contest: Contest, value: float) -> Vector:
    """A number that all elements share, rounded once to fp32 or fp64. Raises UsageError for one beyond that."""
    found = contest.library.share(value, number_dtype(contest.spec.dtype))
    if math.isfinite(value) and not math.isfinite(float(found[0])):
        raise UsageError(f"{value:g} is more than {contest.name} can be multiplied by", hint="Choose a smaller number.")
    return found


def stream(contest: Contest, operands: Sequence[Operand]) -> Iterator[Chunk]:
    """The operands side by side, ``contest.chunk`` numbers at a time, as arrays of the contest's library.

    Companions may be of another dtype than the contest: they are widened to what it is computed in.
    """
    kinds = [number_dtype(operand.spec.dtype) for operand in operands]
    wide = number_dtype(contest.spec.dtype).name == "F64"
    start = 0
    for pieces in zip(*(_cut(_flatten(contest, operand), contest.chunk) for operand in operands), strict=True):
        yield Chunk(start, [_widen(contest, piece, kind, wide) for piece, kind in zip(pieces, kinds, strict=True)])
        start += len(pieces[0])


def stream_stored(contest: Contest, operands: Sequence[Operand]) -> Iterator[list[Vector]]:
    """The operands side by side as they are stored, ``contest.chunk`` elements at a time: integers do not widen."""
    arrays = (filter(len, operand.arrays(contest.library)) for operand in operands)
    for pieces in zip(*(_cut(pieces, contest.chunk) for pieces in arrays), strict=True):
        yield list(pieces)


def weighted_sum(terms: Sequence[Vector], weights: Sequence[Vector | None]) -> Vector:
    """The sum of weight * term, term after term; None for a weight of 1."""
    total: Vector | None = None
    for term, weight in zip(terms, weights, strict=True):
        weighted = term if weight is None else term * weight
        total = weighted if total is None else total + weighted
    assert total is not None
    return total


def compute(
    contest: Contest, operands: Sequence[Operand], labels: Sequence[str], formula: Callable[[Chunk], Vector]
) -> Iterator[Vector]:
    """The formula's value chunk by chunk, in the stored dtype. Reports what is not finite, by label.

    Raises PluginError for a formula whose result is not of the dtype and size of the chunk's values.
    """
    counts = dict.fromkeys([*labels, "result"], 0)
    number, dtype = number_dtype(contest.spec.dtype), contest.library.dtype(contest.spec.dtype)
    for chunk in stream(contest, operands):
        with contest.library.quiet():
            result = formula(chunk)
            _check(result, chunk.values[0], contest)
            for label, values in zip(labels, chunk.values, strict=True):
                counts[label] += count_nonfinite(values)
            stored, nonfinite = contest.library.round(result, number)
        counts["result"] += nonfinite
        yield stored.view(dtype)
    contest.report.nonfinite.update({label: count for label, count in counts.items() if count})


def _check(result: Vector, values: Vector, contest: Contest) -> None:
    if result.dtype != values.dtype or result.shape != values.shape:
        raise PluginError(
            f"computes {_describe(result)} from {_describe(values)}",
            hint="A formula keeps dtype and shape; numbers of its own go through git_theta.merging.numerics.shared.",
            parameter=contest.name,
        )


def _describe(array: Any) -> str:
    return f"{str(array.dtype).removeprefix('torch.')} {list(array.shape)}"


def _widen(contest: Contest, piece: Vector, kind: DType, wide: bool) -> Vector:
    """In fp32 or, exactly, in fp64, as the contest is computed."""
    found = contest.library.widen(piece, kind)
    return found if not wide or kind.name == "F64" else contest.library.xp.astype(found, contest.library.xp.float64)


def _flatten(contest: Contest, operand: Operand) -> Iterator[Vector]:
    kind = contest.library.dtype(number_dtype(operand.spec.dtype))
    return (piece.view(kind) for piece in operand.arrays(contest.library) if len(piece))


def _cut(pieces: Iterator[Vector], size: int) -> Iterator[Vector]:
    """The pieces joined and cut anew, ``size`` elements each; the last one shorter."""
    held: list[Vector] = []
    missing = size
    for whole in pieces:
        rest = whole
        while len(rest) >= missing:
            held.append(rest[:missing])
            rest = rest[missing:]
            yield _join(held)
            held, missing = [], size
        if len(rest):
            held.append(rest)
            missing -= len(rest)
    if held:
        yield _join(held)


def _join(pieces: list[Vector]) -> Vector:
    return pieces[0] if len(pieces) == 1 else namespace(pieces[0]).concat(pieces)
