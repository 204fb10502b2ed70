"""Our own strategies against the laws that others' are held to; and strategies that break one, which the kit finds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import pytest

from git_theta import known_plugins
from git_theta.errors import PluginError, UsageError
from git_theta.merging.base import Contest, ContestReport, Strategy
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.numerics import Chunk, compute, labels, stream
from git_theta.merging.options import Option
from git_theta.merging.strategies.means import AVERAGE
from git_theta.tensors.array_library import Vector
from git_theta.testing.merges import StrategyLaws
from git_theta.testing.strategy_hooks import Numbers


class Ours(StrategyLaws):
    """One of ours, by its name."""

    name = ""

    def make_strategy(self) -> Strategy:
        return load_strategy(self.name)


class TestOurs(Ours):
    name, ordered = "ours", True

    def oracle(
        self, heads: Sequence[Numbers], base: Numbers, weights: Sequence[float], chosen: Mapping[str, Any]
    ) -> Numbers:
        return heads[0]


class TestTheirs(Ours):
    name, ordered = "theirs", True


class TestBase(Ours):
    name = "base"


class TestAverage(Ours):
    name = "average"

    def oracle(
        self, heads: Sequence[Numbers], base: Numbers, weights: Sequence[float], chosen: Mapping[str, Any]
    ) -> Numbers:
        return [math.fsum(values) / len(heads) for values in zip(*heads, strict=True)]


class TestWeighted(Ours):
    name = "weighted"


class TestAdapterSvd(Ours):
    """What is no factor is merged as weighted does; tests/merging/strategies/test_adapter_svd.py has the rest."""

    name = "adapter-svd"
    oracle = TestAverage.oracle


class TestLargest(Ours):
    name = "largest"

    def oracle(
        self, heads: Sequence[Numbers], base: Numbers, weights: Sequence[float], chosen: Mapping[str, Any]
    ) -> Numbers:
        return [max(column) for column in zip(*heads, strict=True)]


class TestTaskArithmetic(Ours):
    name = "task-arithmetic"

    def options(self, heads: int) -> Iterable[Mapping[str, Any]]:
        return {"lambda": 0.4}, {"normalize": True}

    def oracle(
        self, heads: Sequence[Numbers], base: Numbers, weights: Sequence[float], chosen: Mapping[str, Any]
    ) -> Numbers:
        by = chosen["lambda"] / (len(heads) if chosen["normalize"] else 1)
        return [b + by * math.fsum(x - b for x in values) for b, *values in zip(base, *heads, strict=True)]


class TestTies(Ours):
    name = "ties"

    def options(self, heads: int) -> Iterable[Mapping[str, Any]]:
        return {}, {"scope": "checkpoint"}, {"zero_sign": "majority", "density": 0.5}, {"normalize": False}


class TestDare(Ours):
    name = "dare"


class TestDareTies(Ours):
    name = "dare-ties"

    def options(self, heads: int) -> Iterable[Mapping[str, Any]]:
        return {}, {"zero_sign": "majority", "density": 0.5}


class TestBreadcrumbs(Ours):
    name = "breadcrumbs"

    def options(self, heads: int) -> Iterable[Mapping[str, Any]]:
        return {}, {"density": 0.3, "gamma": 0.2}


class TestLines(Ours):
    """Of one parameter alone, which is in the last layer; test_layer_scaling.py has the rest."""

    name = "lines"

    def options(self, heads: int) -> Iterable[Mapping[str, Any]]:
        return {}, {"alpha": 0.1, "beta": 0.4, "normalize": True}

    def oracle(
        self, heads: Sequence[Numbers], base: Numbers, weights: Sequence[float], chosen: Mapping[str, Any]
    ) -> Numbers:
        chosen = {**chosen, "lambda": chosen["alpha"] + chosen["beta"]}
        return TestTaskArithmetic.oracle(TestTaskArithmetic(), heads, base, weights, chosen)


class TestIsoC(Ours):
    """Of vectors; tests/merging/strategies/test_matrix_transforms.py has the matrices."""

    name = "iso-c"

    def options(self, heads: int) -> Iterable[Mapping[str, Any]]:
        return {}, {"lambda": 0.4}

    def oracle(
        self, heads: Sequence[Numbers], base: Numbers, weights: Sequence[float], chosen: Mapping[str, Any]
    ) -> Numbers:
        return TestTaskArithmetic.oracle(TestTaskArithmetic(), heads, base, weights, {**chosen, "normalize": True})


class TestTsvM(Ours):
    name = "tsv-m"
    options, oracle = TestIsoC.options, TestIsoC.oracle


class TestWudi(Ours):
    name = "wudi"
    options, oracle = TestIsoC.options, TestIsoC.oracle


class OfMatrices(Ours):
    """Not vectors but matrices."""

    shape = (24, 15)


class TestIsoCOfMatrices(OfMatrices):
    name = "iso-c"


class TestTsvMOfMatrices(OfMatrices):
    name = "tsv-m"


class TestWudiOfMatrices(OfMatrices):
    name = "wudi"

    def options(self, heads: int) -> Iterable[Mapping[str, Any]]:
        return {}, {"rho": 0.1}


class TestSlerp(Ours):
    name, ordered = "slerp", True

    def options(self, heads: int) -> Iterable[Mapping[str, Any]]:
        return {}, {"t": 0.1}


class TestModelStock(Ours):
    name = "model-stock"


class TestSmear(Ours):
    name, ordered = "smear", True

    def options(self, heads: int) -> Iterable[Mapping[str, Any]]:
        return {"scores": [0.5, 2.0, 1.0, 0.0][:heads]}, {"logits": {"*": [1.0, 0.5, 2.0][:heads]}, "temperature": 2.0}


def test_all_of_ours_are_here() -> None:
    tested = {laws.name for laws in Ours.__subclasses__() if laws is not OfMatrices}
    assert tested == set(known_plugins.BUILT_IN["merges"])


@dataclass(frozen=True)
class Broken(Strategy):
    """The mean of all heads, but for one thing."""

    def merge(self, contest: Contest) -> Iterator[Vector]:
        heads = contest.heads()
        operands, names = [head.operand for head in heads], labels(heads)
        if self.name == "by-position":
            operands = [branch for branch in contest.branches if branch]
        if self.name == "silent":
            contest = replace(contest, report=ContestReport())
        if self.name == "unrounded":
            return (_mean(chunk) for chunk in stream(contest, operands))
        found = compute(contest, operands, names, FORMULAS.get(self.name, _mean))
        return iter(list(found)) if self.name == "greedy" else found


def _mean(chunk: Chunk) -> Vector:
    return sum(chunk.values[1:], chunk.values[0]) / len(chunk.values)


FORMULAS: dict[str, Callable[[Chunk], Vector]] = {
    "by-chunk": lambda chunk: _mean(chunk) + chunk.start,
    "by-position": lambda chunk: chunk.values[0],
    "narrow": lambda chunk: _mean(chunk).bfloat16().float(),
}
LAWS: dict[str, Callable[[Suspect, pytest.MonkeyPatch], None]] = {
    "by-chunk": lambda laws, _: laws.test_l9_chunks_and_pieces_change_no_byte("F32"),
    "unrounded": lambda laws, _: laws.test_l9_chunks_and_pieces_change_no_byte("BF16"),
    "by-position": lambda laws, _: laws.test_l9_the_order_of_heads_changes_no_byte(),
    "silent": lambda laws, _: laws.test_what_is_not_finite_is_reported(),
    "greedy": lambda laws, monkeypatch: laws.test_l6_results_come_while_heads_are_still_read(monkeypatch),
    "narrow": lambda laws, _: laws.test_within_one_ulp_of_the_oracle("F32"),
}


class Suspect(TestAverage):
    """Not collected by pytest: its name does not begin with Test."""

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy

    def make_strategy(self) -> Strategy:
        return self._strategy


@pytest.mark.parametrize("name", LAWS)
def test_the_kit_finds_what_is_wrong(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    LAWS[name](Suspect(AVERAGE), monkeypatch)
    with pytest.raises((AssertionError, PluginError)):
        LAWS[name](Suspect(Broken(name, "Something.", "Nowhere")), monkeypatch)


@dataclass(frozen=True)
class Inexact(Strategy):
    """The mean of all heads; by chunks of 50, so many of the first elements come out so many units off."""

    exact: bool = False
    off: tuple[int, int] = (0, 0)

    def merge(self, contest: Contest) -> Iterator[Vector]:
        def formula(chunk: Chunk) -> Vector:
            found = _mean(chunk)
            count, units = self.off
            if contest.chunk == 50 and not chunk.start:
                unit = found.abs().log2().floor().exp2() * 2.0**-23
                found[:count] += units * unit[:count]
            return found

        heads = contest.heads()
        return compute(contest, [head.operand for head in heads], labels(heads), formula)


@pytest.mark.parametrize(("off", "holds"), [((0, 0), True), ((1, 1), True), ((2, 1), False), ((1, 2), False)])
def test_l9b_one_unit_of_few_elements_is_allowed_where_it_says_so(off: tuple[int, int], holds: bool) -> None:
    inexact = Inexact("inexact", "Something.", "Nowhere", off=off)
    with nullcontext() if holds else pytest.raises(AssertionError):
        Suspect(inexact).test_l9_chunks_and_pieces_change_no_byte("F32")
    with nullcontext() if off == (0, 0) else pytest.raises(AssertionError):
        Suspect(replace(inexact, exact=True)).test_l9_chunks_and_pieces_change_no_byte("F32")


@pytest.mark.parametrize(
    "wrong",
    [
        replace(AVERAGE, name="An Average"),
        replace(AVERAGE, summary=""),
        replace(AVERAGE, source=""),
        replace(AVERAGE, heads=(3, 2)),
    ],
)
def test_the_kit_reads_declarations(wrong: Strategy) -> None:
    with pytest.raises(AssertionError):
        Suspect(wrong).test_it_says_what_it_is()


@pytest.mark.parametrize(
    "wrong",
    [
        Option("t", "number", 2.0, "How far.", range=(0, 1)),
        Option("t", "number", 1.0, "How far.", range=(1, 1)),
        Option("t", "number", 0.5, "How far.", range=(0, 1), scale="log"),
        Option("t", "number", 0.5, "How far.", within="[0, 1]", range=(0, 2)),
        Option("t", "integer", 1, "How many.", range=(0, 2)),
    ],
)
def test_the_kit_reads_what_a_search_tries(wrong: Option) -> None:
    right = Option("t", "number", 0.5, "How far.", within="(0, 1]", range=(0.1, 1), scale="log")
    Suspect(replace(AVERAGE, options=(right,))).test_what_a_search_tries_of_options_is_what_they_take()
    with pytest.raises((AssertionError, UsageError)):
        Suspect(replace(AVERAGE, options=(wrong,))).test_what_a_search_tries_of_options_is_what_they_take()


def test_the_kit_reads_options() -> None:
    twice = (Option("t", "number", 0.5, "How far."), Option("t", "number", 0.5, "How far."))
    outside = (Option("t", "number", 2.0, "How far.", within="[0, 1]"),)
    for wrong, found in ((twice, AssertionError), (outside, UsageError)):
        with pytest.raises(found):
            Suspect(replace(AVERAGE, options=wrong)).test_options_have_defaults_that_they_take()
