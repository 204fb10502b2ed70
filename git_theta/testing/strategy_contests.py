"""Contests that a strategy is tried with, and what it makes of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from git_theta.merging import options
from git_theta.merging.base import Contest, Operand
from git_theta.merging.checks import check_contest
from git_theta.merging.execution import library_for, merge_bytes
from git_theta.tensors.arrays import Parallel
from git_theta.testing.operands import EPSILON, SMALLEST, InMemory, fine, operand, unpack
from git_theta.testing.strategy_hooks import StrategyHooks

MANY, _MANY_ROWS = 50_021, (251, 199)
"""Elements that torch shares among threads; and a matrix of as many, about."""
_SELDOM = 20_000
"""L9b: of so many elements one may differ."""
NEAR = 1e-9
"""L9b: how far numbers of fp64 may be apart, relative to the largest."""


class StrategyContests(StrategyHooks):
    """Contests of generated tensors, by the hooks of a test."""

    def _few(self) -> int:
        """As few heads as it takes, and no fewer than there can be a contest of."""
        return max(2, self.make_strategy().heads[0])

    def _several(self) -> int:
        """Four heads, or as many as it takes."""
        return max(self._few(), min(4, self.make_strategy().heads[1] or 4))

    def _many(self) -> tuple[int, ...]:
        """The shape of what is large."""
        return _MANY_ROWS if len(self.shape) > 1 else (MANY,)

    def _contests(
        self,
        dtype: str,
        values: Any = fine,
        *,
        heads: int = 0,
        shape: tuple[int, ...] | None = None,
        twins: bool = False,
    ) -> Iterable[Contest]:
        """The same heads with all options to test; with twins, the first and the last are alike."""
        count, sides = heads or self._few(), shape or self.shape
        base, *rows = (operand(values(math.prod(sides), seed), dtype, sides) for seed in range(count + 1))
        if twins and count > 2:
            rows[-1] = rows[0]
        for chosen in self.options(count):
            yield self._contest(rows, base, chosen)

    def _contest(self, heads: Sequence[Operand], base: Operand, chosen: Mapping[str, Any]) -> Contest:
        strategy = self.make_strategy()
        parsed = options.parse_options(strategy.name, strategy.options, chosen)
        return Contest("layer.weight", tuple(heads), base, options=parsed, library=library_for(strategy, "cpu"))

    def _merge(self, asked: Contest) -> bytes:
        """What comes out: b"" where nothing does."""
        settled = self.make_strategy().pick(asked)
        if settled is None:
            return self._merge_all([asked])[asked.name]
        assert settled.operand is None or isinstance(settled.operand, InMemory)
        return settled.operand.data if settled.operand else b""

    def _merge_all(self, contests: Sequence[Contest], parallel: Parallel = map) -> dict[str, bytes]:
        """What comes out of several, by name."""
        strategy = self.make_strategy()
        contests = [self._accompany(asked) for asked in contests]
        for asked in contests:
            check_contest(strategy, asked)
        prepared = strategy.prepare(contests, parallel)
        assert [asked.name for asked in prepared] == [asked.name for asked in contests]

        def merge_named(asked: Contest) -> tuple[str, bytes]:
            return asked.name, b"".join(map(bytes, merge_bytes(strategy, asked)))

        return dict(parallel(merge_named, prepared))

    def _require_alike(self, found: bytes, expected: bytes, dtype: str) -> None:
        """Raise AssertionError for other bytes; for more than L9b allows, where the strategy is not exact."""
        if self.make_strategy().exact or found == expected:
            assert found == expected
            return
        pairs = list(zip(unpack(found, dtype), unpack(expected, dtype), strict=True))
        apart = [(one, other) for one, other in pairs if one != other and not (math.isnan(one) and math.isnan(other))]
        if dtype == "F64":
            largest = max(abs(other) for _, other in pairs)
            assert all(abs(one - other) <= NEAR * largest for one, other in apart)
            return
        assert all(abs(one - other) <= ulp_of(other, dtype) for one, other in apart), "by more than one unit"
        assert len(apart) <= -(-len(pairs) // _SELDOM), f"{len(apart)} of {len(pairs)} elements differ"

    def _accompany(self, asked: Contest) -> Contest:
        """The same contest with the companions that the strategy declares."""
        names = [companion.name for companion in self.make_strategy().companions]
        found = {name: tuple([head and self.make_companion(name, head) for head in asked.branches]) for name in names}
        return replace(asked, companions=found) if found else asked


def cut_contest(asked: Contest, piece: int) -> Contest:
    """The same contest, its tensors in pieces: of different sizes, side by side."""
    sizes = iter(range(piece, piece + 100))
    branches = tuple([_pieces(branch, next(sizes)) for branch in asked.branches])
    return replace(asked, branches=branches, base=_pieces(asked.base, next(sizes)))


def _pieces(whole: Operand | None, piece: int) -> InMemory | None:
    return InMemory(whole.data, whole.spec, piece) if isinstance(whole, InMemory) else None


def ulp_of(value: float, dtype: str) -> float:
    """From a number to the next one of that dtype."""
    return math.ldexp(EPSILON[dtype], math.frexp(max(abs(value), SMALLEST[dtype]))[1] - 1)
