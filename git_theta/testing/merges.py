"""The laws of ``git_theta.merging.base``."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from git_theta.errors import ConflictError, UsageError
from git_theta.merging import options
from git_theta.merging.base import Contest, Operand, Strategy
from git_theta.merging.checks import check_contest
from git_theta.merging.execution import library_for, merge_bytes
from git_theta.tensors.arrays import Parallel
from git_theta.tensors.torch_library import TorchLibrary
from git_theta.testing.blocks import threaded_map
from git_theta.testing.operands import DTYPES, EPSILON, SMALLEST, InMemory, Unreadable, coarse, fine, operand, unpack

Numbers = list[float]

_SIZE = 257
_MANY, _MANY_ROWS = 50_021, (251, 199)
"""Elements that torch shares among threads; and a matrix of as many, about."""
_SELDOM = 20_000
"""L9b: of so many elements one may differ."""
_NEAR = 1e-9
"""L9b: how far numbers of fp64 may be apart, relative to the largest."""
_SHAPES = ((), (1,), (1, 1, 1), (2, 3), (0, 3))
_PAYLOADS = bytes.fromhex("0100c07f 00000080 010080ff 00000000")
"""Bits that arithmetic would not keep: NaNs with payloads, and -0.0."""


class StrategyLaws(ABC):
    """Derive, and name the strategy.

    Attributes:
        ordered: whether the order of heads matters: a strategy takes a certain one, or options are listed by head.
        shape: of the parameters that are merged, but for those that are small, or large. A strategy for matrices says
            one of two dimensions; what is large then has two as well.

    Law L9b: what a strategy that is not ``exact`` makes may differ between chunks, threads and array libraries by one
    unit in the last place, in one element of 20,000 (of fp64, by 1e-9 of the largest number).
    """

    ordered = False
    shape: tuple[int, ...] = (_SIZE,)

    @abstractmethod
    def make_strategy(self) -> Strategy:
        """The strategy under test."""

    def options(self, heads: int) -> Iterable[Mapping[str, Any]]:  # noqa: ARG002
        """Options to test with, for a merge of so many heads: a mapping of names to values for each round."""
        return ({},)

    def oracle(
        self,
        heads: Sequence[Numbers],  # noqa: ARG002
        base: Numbers,  # noqa: ARG002
        weights: Sequence[float],  # noqa: ARG002
        chosen: Mapping[str, Any],  # noqa: ARG002
    ) -> Numbers | None:
        """What comes out, as fp64 has it; or None, where that cannot be said in a few lines.

        Args:
            heads: the values of each head.
            base: those of the merge base.
            weights: of each head; 1 where there are none.
            chosen: every option with its value.
        """
        return None

    def oracle_with_companions(
        self,
        heads: Sequence[Numbers],
        base: Numbers,
        weights: Sequence[float],
        chosen: Mapping[str, Any],
        companions: Mapping[str, Sequence[Numbers]],  # noqa: ARG002
    ) -> Numbers | None:
        """The same for a strategy that reads companions: by name, the values of each head there."""
        return self.oracle(heads, base, weights, chosen)

    def make_companion(self, name: str, head: Operand) -> Operand:  # noqa: ARG002
        """What a head has in the companion of that name: positive numbers of its shape, fp32 (fp64 for fp64).

        The same for the same values of the head.
        """
        dtype = "F64" if head.spec.dtype.name == "F64" else "F32"
        seed = int(head.oid[:8], 16)
        return operand([abs(value) + 0.5 for value in coarse(head.spec.elements, seed)], dtype, head.spec.shape)

    def test_it_says_what_it_is(self) -> None:
        strategy = self.make_strategy()
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", strategy.name)
        assert strategy.summary.endswith(".")
        assert strategy.source
        low, high = strategy.heads
        assert 1 <= low <= (high or low)
        assert hash(strategy) == hash(self.make_strategy()), "two of the same are not alike: derive from a dataclass"

    def test_options_have_defaults_that_they_take(self) -> None:
        declared = self.make_strategy().options
        assert len({option.name for option in declared}) == len(declared)
        for option in declared:
            assert option.help
            if option.default not in (None, ()):
                assert option.parse(option.default) == option.default
                assert option.parse(str(option.default)) == option.default
        for chosen in self.options(self._few()):
            assert options.parse_options("", declared, chosen).keys() == {option.name for option in declared}

    def test_what_a_search_tries_of_options_is_what_they_take(self) -> None:
        for option in self.make_strategy().options:
            if option.range:
                low, high = option.range
                assert option.kind == "number"
                assert low <= option.default <= high, "the default is tried first"
                assert low < high
                assert [option.parse(low), option.parse(high)] == [low, high]
                assert option.scale == "linear" or low > 0

    def test_an_option_that_does_not_exist_is_refused(self) -> None:
        strategy = self.make_strategy()
        with pytest.raises(UsageError, match="has no option 'does_not_exist'"):
            options.parse_options(strategy.name, strategy.options, {"does_not_exist": 1})

    def test_l8_what_ids_can_decide_loads_nothing(self) -> None:
        spec = operand([0.0] * 4).spec
        base, changed = Unreadable(bytes(16), spec), Unreadable(_PAYLOADS, spec)
        others = [base] * (self._few() - 1)
        for heads, outcome in (
            ([changed, *others], changed),
            ([*others, changed], changed),
            ([changed] * self._few(), changed),
            ([base, *others], base),
        ):
            for chosen in self.options(len(heads)):
                settled = self.make_strategy().pick(self._contest(heads, base, chosen))
                assert settled
                assert settled.operand
                assert settled.operand.oid == outcome.oid

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_l9_chunks_and_pieces_change_no_byte(self, dtype: str) -> None:
        for asked in self._contests(dtype, coarse if dtype == "BF16" else fine):
            expected = self._merge(asked)
            assert len(expected) == asked.spec.nbytes
            for chunk, piece in ((1 << 16, 1), (100, 7), (50, 200)):
                self._require_alike(self._merge(_cut(replace(asked, chunk=chunk), piece)), expected, dtype)

    def test_l9_threads_change_no_byte(self) -> None:
        """Those of torch; numpy has none."""
        torch = pytest.importorskip("torch")
        if self.make_strategy().array_library == "numpy":
            pytest.skip("it does not compute with torch")
        before = torch.get_num_threads()
        try:
            for asked in self._contests("F32", shape=self._many()):
                found = []
                for threads in (1, 2, 3):
                    torch.set_num_threads(threads)
                    found.append(self._merge(replace(asked, chunk=_MANY, library=TorchLibrary())))
                for one in found[1:]:
                    self._require_alike(one, found[0], "F32")
        finally:
            torch.set_num_threads(before)

    def test_l9_array_libraries_give_the_same_bytes(self) -> None:
        """Torch computes on the CPU here, which it is not used for: what it does there it does on CUDA."""
        pytest.importorskip("torch")
        if self.make_strategy().array_library != "any":
            pytest.skip("it takes one library alone")
        for dtype in DTYPES:
            for asked in self._contests(dtype, coarse if dtype == "F16" else fine):
                self._require_alike(self._merge(replace(asked, library=TorchLibrary())), self._merge(asked), dtype)

    def test_l9_cuda_gives_the_bytes_of_the_cpu(self) -> None:
        if not pytest.importorskip("torch").cuda.is_available():
            pytest.skip("needs a CUDA device")
        library = library_for(self.make_strategy(), "cuda")
        for dtype in DTYPES:
            for asked in self._contests(dtype, shape=self._many()):
                self._require_alike(self._merge(replace(asked, library=library)), self._merge(asked), dtype)

    def test_l9_the_order_of_heads_changes_no_byte(self) -> None:
        if self.ordered:
            pytest.skip("its heads, or options, are in an order")
        for dtype in ("F32", "BF16"):
            for asked in self._contests(dtype, heads=self._several(), twins=True):
                orders = list(permutations(asked.branches))[::7]
                assert len({self._merge(replace(asked, branches=order)) for order in orders}) == 1

    def test_l9_weights_go_with_their_heads(self) -> None:
        if self.ordered or not self.make_strategy().takes_weights:
            pytest.skip("it takes no weights, or an order")
        weights = (0.25, 1.0, 1.75, 3.0)[: self._several()]
        for asked in self._contests("F32", heads=self._several()):
            forth, back = (replace(asked, branches=asked.branches[::by], weights=weights[::by]) for by in (1, -1))
            assert self._merge(forth) == self._merge(back)

    def test_contests_are_prepared_together_and_merged_side_by_side(self) -> None:
        for first in self._contests("F32"):
            contests = [replace(first, name="b"), replace(first, name="a", branches=first.branches[::-1])]
            if self.make_strategy().pick(first) is not None:
                continue
            assert self._merge_all(contests) == self._merge_all(contests[::-1], threaded_map(2))

    @pytest.mark.parametrize("shape", _SHAPES, ids=str)
    def test_small_tensors_are_merged(self, shape: tuple[int, ...]) -> None:
        for chosen in self.options(self._few()):
            base, *heads = (operand([seed + 1.0] * math.prod(shape), shape=shape) for seed in range(self._few() + 1))
            merged = self._merge(self._contest(heads, base, chosen))
            assert len(merged) == base.spec.nbytes
            assert all(map(math.isfinite, unpack(merged, "F32")))

    def test_a_head_may_lack_the_parameter_where_it_says_so(self) -> None:
        if not self.make_strategy().may_lack:
            pytest.skip("every head has to have it")
        count = self._few() + 1 if self.make_strategy().heads[1] is None else self._few()
        for asked in self._contests("F32", heads=count):
            assert len(self._merge(replace(asked, branches=(*asked.branches[:-1], None)))) in (asked.spec.nbytes, 0)

    def test_what_is_not_finite_is_reported(self) -> None:
        if not self.make_strategy().numeric:
            pytest.skip("it does not compute")
        for chosen in self.options(self._few()):
            base, *rows = (fine(9, seed) for seed in range(self._few() + 1))
            rows[0][3], rows[1][5], rows[1][6] = math.nan, math.inf, -math.inf
            asked = self._contest([operand(row) for row in rows], operand(base), chosen)
            lost = sum(not math.isfinite(value) for value in unpack(self._merge(asked), "F32"))
            result = {"result": lost} if lost else {}
            assert asked.report.nonfinite == {"head 1": 1, "head 2": 2, **result}

    def test_l6_results_come_while_heads_are_still_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Unless they are small: those may be held. A strategy for matrices reads them before."""
        if len(self.shape) > 1:
            pytest.skip("it looks at whole matrices first")
        monkeypatch.setattr("git_theta.merging.held.SMALL", 0)
        strategy = self.make_strategy()
        if not strategy.numeric:
            pytest.skip("it does not compute")
        for asked in self._contests("F32", shape=(200,)):
            cut = _cut(replace(asked, chunk=10), 10)
            next(strategy.merge(strategy.prepare([self._accompany(cut)])[0]))
            for head in cut.branches:
                assert isinstance(head, InMemory)
                assert head.taken < len(head.data)

    def test_heads_without_their_companion_are_refused(self) -> None:
        if not self.make_strategy().companions:
            pytest.skip("it reads no companions")
        for asked in self._contests("F32"):
            whole = self._accompany(asked).companions
            wrong = {name: (operand([1.0]), *held[1:]) for name, held in whole.items()}
            lacking = {name: (None, *held[1:]) for name, held in whole.items()}
            optional = any(companion.is_optional for companion in self.make_strategy().companions)
            for companions in (lacking, wrong) if optional else ({}, lacking, wrong):
                with pytest.raises(ConflictError):
                    check_contest(self.make_strategy(), replace(asked, companions=companions))

    def test_companions_make_a_difference(self) -> None:
        if not self.make_strategy().companions:
            pytest.skip("it reads no companions")
        first = self._accompany(next(iter(self._contests("F32"))))
        strategy, results = self.make_strategy(), set()
        for order in (1, -1):
            companions = {name: held[::order] for name, held in first.companions.items()}
            (prepared,) = strategy.prepare([replace(first, companions=companions)])
            results.add(b"".join(map(bytes, merge_bytes(strategy, prepared))))
        assert len(results) == 2

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_within_one_ulp_of_the_oracle(self, dtype: str) -> None:
        """Beside what a few roundings of its terms in fp32 (fp64 for fp64) may cost; fp64 as L9b has it."""
        unit = EPSILON["F64" if dtype == "F64" else "F32"]
        for values in (fine, coarse):
            for asked in self._contests(dtype, values):
                base, *heads = (
                    unpack(one.data, dtype) for one in (asked.base, *asked.branches) if isinstance(one, InMemory)
                )
                beside = {
                    name: [unpack(one.data, one.spec.dtype.name) for one in held if isinstance(one, InMemory)]
                    for name, held in self._accompany(asked).companions.items()
                }
                truth = self.oracle_with_companions(heads, base, [1.0] * len(heads), asked.options, beside)
                if truth is None:
                    pytest.skip("there is no oracle")
                merged = unpack(self._merge(asked), dtype)
                loose = 0.0 if self.make_strategy().exact or dtype != "F64" else _NEAR * max(map(abs, truth))
                for index, (one, exact) in enumerate(zip(merged, truth, strict=True)):
                    terms = abs(exact) + sum(abs(row[index]) for row in (base, *heads))
                    assert abs(one - exact) <= _ulp(exact, dtype) + 16 * unit * terms + loose, (index, one, exact)

    def _few(self) -> int:
        """As few heads as it takes, and no fewer than there can be a contest of."""
        return max(2, self.make_strategy().heads[0])

    def _several(self) -> int:
        """Four heads, or as many as it takes."""
        return max(self._few(), min(4, self.make_strategy().heads[1] or 4))

    def _many(self) -> tuple[int, ...]:
        """The shape of what is large."""
        return _MANY_ROWS if len(self.shape) > 1 else (_MANY,)

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
            assert all(abs(one - other) <= _NEAR * largest for one, other in apart)
            return
        assert all(abs(one - other) <= _ulp(other, dtype) for one, other in apart), "by more than one unit"
        assert len(apart) <= -(-len(pairs) // _SELDOM), f"{len(apart)} of {len(pairs)} elements differ"

    def _accompany(self, asked: Contest) -> Contest:
        """The same contest with the companions that the strategy declares."""
        names = [companion.name for companion in self.make_strategy().companions]
        found = {name: tuple([head and self.make_companion(name, head) for head in asked.branches]) for name in names}
        return replace(asked, companions=found) if found else asked


def _cut(asked: Contest, piece: int) -> Contest:
    """The same contest, its tensors in pieces: of different sizes, side by side."""
    sizes = iter(range(piece, piece + 100))
    branches = tuple([_pieces(branch, next(sizes)) for branch in asked.branches])
    return replace(asked, branches=branches, base=_pieces(asked.base, next(sizes)))


def _pieces(whole: Operand | None, piece: int) -> InMemory | None:
    return InMemory(whole.data, whole.spec, piece) if isinstance(whole, InMemory) else None


def _ulp(value: float, dtype: str) -> float:
    """From a number to the next one of that dtype."""
    return math.ldexp(EPSILON[dtype], math.frexp(max(abs(value), SMALLEST[dtype]))[1] - 1)
