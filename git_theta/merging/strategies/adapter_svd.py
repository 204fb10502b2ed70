"""Adapters merged by the products of their factors, which are what was trained; the base plays no part."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, NamedTuple

from git_theta.merging.base import Contest, Operand, PickResult, Takes
from git_theta.merging.numerics import compute, is_wide, stream
from git_theta.merging.planning.decisions import trivial_merge
from git_theta.merging.planning.groups import pair_factors
from git_theta.merging.strategies.means import Mean
from git_theta.tensors.array_library import Vector
from git_theta.tensors.arrays import Parallel
from git_theta.tensors.low_rank import LowRank, factor_product


class _Head(NamedTuple):
    """What one branch has of both factors; in an order that no other order of branches changes."""

    oids: tuple[str, str]
    weight: float
    first: Operand
    second: Operand


class FactorPair:
    """Both factors of an adapter, as contests. What comes out is computed once, by whoever asks first."""

    def __init__(self, first: Contest, second: Contest) -> None:
        self.first, self.second = first, second
        self._lock = Lock()
        self._found: LowRank | None = None

    def merge(self) -> LowRank:
        """The mean of the products, factored again; NaN throughout where any number is not finite."""
        with self._lock:
            if self._found is None:
                self._found = self._compute()
            return self._found

    def settled_by_ids(self) -> int | None:
        """The branch that alone changed either factor, or changed them as all others did that did."""
        bases = (self.first.base, self.second.base)
        heads = list(zip(self.first.branches, self.second.branches, strict=True))
        _, source = trivial_merge(_identify(bases), list(map(_identify, heads)))
        return source

    def _compute(self) -> LowRank:
        import numpy as np

        heads = self._heads()
        total = math.fsum(head.weight for head in heads)
        rank = self.first.spec.shape[0]
        rights = [_vectors(self.first, head.first, rank) for head in heads]
        lefts = [_vectors(self.second, head.second, -1).T * (head.weight / total) for head in heads]
        if not all(np.isfinite(factor).all() for factor in (*rights, *lefts)):
            return LowRank(np.full_like(lefts[0], np.nan), np.full_like(rights[0], np.nan), math.nan)
        return factor_product(np.concatenate(lefts), np.concatenate(rights), rank)

    def _heads(self) -> list[_Head]:
        weights = self.first.weights or (1.0,) * len(self.first.branches)
        return sorted(
            (
                _Head((first.oid, second.oid), weight, first, second)
                for first, second, weight in zip(self.first.branches, self.second.branches, weights, strict=True)
                if first and second
            ),
            key=lambda head: head[:2],
        )


@dataclass(frozen=True)
class AdapterMean(Mean):
    """factors of sum of w_i B_i A_i / sum of w_i, by singular values; of all else the weighted mean."""

    array_library: Takes = "any"
    pairs: bool = True

    def pick(self, contest: Contest) -> PickResult | None:
        """Of a factor nothing by itself: who changed one of them changed the product."""
        return None if pair_factors(contest.name) else super().pick(contest)

    def prepare(self, contests: Sequence[Contest], parallel: Parallel = map) -> Sequence[Contest]:  # noqa: ARG002
        by_name = {contest.name: contest for contest in contests}
        pairs: dict[tuple[str, str], FactorPair] = {}
        found = []
        for contest in contests:
            names = pair_factors(contest.name)
            if names and names[0] in by_name and names[1] in by_name:
                first, second = by_name[names[0]], by_name[names[1]]
                if _is_product(first, second):
                    pair = pairs.setdefault(names, FactorPair(first, second))
                    found.append(replace(contest, context=pair))
                    continue
                contest.report.notes.append("The shapes are not those of two factors: merged as weighted does.")
            found.append(contest)
        return found

    def merge(self, contest: Contest) -> Iterator[Vector]:
        pair: FactorPair | None = contest.context
        if pair is None:
            settled = contest.trivial_result()
            return settled.operand.arrays(contest.library) if settled and settled.operand else super().merge(contest)
        source = pair.settled_by_ids()
        if source is not None:
            taken = contest.branches[source]
            assert taken
            return taken.arrays(contest.library)
        return self._merge_factor(contest, pair)

    def _merge_factor(self, contest: Contest, pair: FactorPair) -> Iterator[Vector]:
        import numpy as np

        found = pair.merge()
        factor = found.right if contest.name == pair.first.name else found.left.T
        numbers = np.ascontiguousarray(factor, np.float64 if is_wide(contest) else np.float32).reshape(-1)
        contest.report.facts["kept"] = found.kept
        present = [head.operand for head in contest.heads()]
        labels = [f"head {head.position + 1}" for head in contest.heads()]

        def take(chunk: Any) -> Vector:
            piece = numbers[chunk.start : chunk.start + len(chunk.values[0])]
            return contest.library.xp.asarray(piece, device=getattr(chunk.values[0], "device", None))

        return compute(contest, present, labels, take)


def _identify(pair: Sequence[Operand | None]) -> tuple[Any, ...]:
    return tuple([operand and (operand.oid, operand.spec) for operand in pair])


def _vectors(contest: Contest, operand: Operand, rows: int) -> Any:
    """A factor as a matrix in fp64: of so many rows; -1 for as many as its first dimension."""
    import numpy as np

    from git_theta.tensors.numpy_library import NUMPY

    chunks = [chunk.values[0] for chunk in stream(replace(contest, library=NUMPY), [operand])]
    count = operand.spec.shape[0] if rows < 0 else rows
    return np.concatenate([np.zeros(0), *chunks]).astype(np.float64).reshape(count, -1)


def _is_product(first: Contest, second: Contest) -> bool:
    """Whether the shapes are (rank, ...) and (..., rank), with nothing but ones behind, of real numbers."""
    one, other = first.spec.shape, second.spec.shape
    whole = len(one) > 1 and len(other) > 1 and one[0] == other[1] and 0 not in (*one, *other)
    return whole and math.prod(other[2:]) == 1 and "complex" not in (first.spec.dtype.kind, second.spec.dtype.kind)


ADAPTER_SVD = AdapterMean(
    "adapter-svd",
    "Adapters by their products: the mean of w_i B_i A_i, factored again at the same rank by singular values.",
    'PEFT, add_weighted_adapter with combination_type="svd"',
    takes_weights=True,
    details="""\
The factors are those of LoRA: `lora_A` and `lora_B`, `lora_down` and `lora_up`, and the like. A mean of the factors,
which is what other strategies make, is no mean of the updates. As in PEFT, A comes out as the right singular vectors,
and B as the left ones times the singular values; of each row of A, the largest magnitude is positive. `kept` in the
report is the norm of what is left at that rank, relative to the mean's. Both factors are computed with, whichever of
them was changed. What is no factor is merged as `weighted` does.

It is computed in fp64 by elementwise operations alone, on the CPU: the same bytes everywhere. It takes about 0.2 s for
an adapter of rank 16 on a 4096 by 4096 matrix, and 2 s for rank 64 (two heads); the factors are held in memory.""",
)
