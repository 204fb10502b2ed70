"""What a strategy makes: by ids where they say it, of all shapes, in time, and as its oracle has it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from git_theta.testing.operands import DTYPES, EPSILON, InMemory, Unreadable, coarse, fine, operand, unpack
from git_theta.testing.strategy_contests import NEAR, StrategyContests, cut_contest, ulp_of

_SHAPES = ((), (1,), (1, 1, 1), (2, 3), (0, 3))
_PAYLOADS = bytes.fromhex("0100c07f 00000080 010080ff 00000000")
"""Bits that arithmetic would not keep: NaNs with payloads, and -0.0."""


class ResultLaws(StrategyContests):
    """What comes out of a contest."""

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
        monkeypatch.setattr("git_theta.merging.arithmetic.small_operands.SMALL", 0)
        strategy = self.make_strategy()
        if not strategy.numeric:
            pytest.skip("it does not compute")
        for asked in self._contests("F32", shape=(200,)):
            cut = cut_contest(replace(asked, chunk=10), 10)
            next(strategy.merge(strategy.prepare([self._accompany(cut)])[0]))
            for head in cut.branches:
                assert isinstance(head, InMemory)
                assert head.taken < len(head.data)

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
                loose = 0.0 if self.make_strategy().exact or dtype != "F64" else NEAR * max(map(abs, truth))
                for index, (one, exact) in enumerate(zip(merged, truth, strict=True)):
                    terms = abs(exact) + sum(abs(row[index]) for row in (base, *heads))
                    assert abs(one - exact) <= ulp_of(exact, dtype) + 16 * unit * terms + loose, (index, one, exact)
