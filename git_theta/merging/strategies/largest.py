"""The largest of the heads' values, element by element; the base plays no part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from git_theta.merging.base import Contest, Operand, Strategy, Takes
from git_theta.merging.checks import is_floating
from git_theta.merging.numerics import compute, labels, stream_stored
from git_theta.tensors.array_library import Vector, namespace
from git_theta.tensors.numpy_library import NUMPY


@dataclass(frozen=True)
class Largest(Strategy):
    """max of x_i; NaN where a head has one."""

    array_library: Takes = "any"
    integers: bool = True

    def merge(self, contest: Contest) -> Iterator[Vector]:
        heads = contest.heads()
        operands = [head.operand for head in heads]
        if is_floating(contest.spec.dtype):
            return compute(contest, operands, labels(heads), lambda chunk: _find_largest(chunk.values))
        return self._merge_integers(contest, operands)

    def _merge_integers(self, contest: Contest, operands: Sequence[Operand]) -> Iterator[Vector]:
        """By numpy wherever the others are computed: torch does not compare unsigned integers."""
        for values in stream_stored(replace(contest, library=NUMPY), operands):
            yield contest.library.from_bytes(NUMPY.to_bytes(_find_largest(values)), contest.spec.dtype)


def _find_largest(values: Sequence[Vector]) -> Vector:
    """Compared one after another: the order of heads says which zero it is, and which NaN."""
    first, *others = values
    for value in others:
        first = namespace(first).where((value > first) | (value != value), value, first)
    return first


LARGEST = Largest(
    "largest",
    "The largest value of each element.",
    "What a counter is after both: torch's AveragedModel and BatchNorm count up",
    details="""Made for counters, integers and booleans too, which other strategies refuse. It is what they
are merged with whatever strategy was chosen (see the kinds below). Complex numbers are compared part by part.""",
)
