"""Tensors that are read more than once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from git_theta.merging.arithmetic.small_operands import SMALL, hold_small
from git_theta.merging.base import Contest, Operand
from git_theta.tensors.arrays import Buffer
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.numpy_library import NUMPY
from git_theta.tensors.spec import Spec


class Counted(Operand):
    """An operand that counts how often it is read."""

    oid = "0" * 64

    def __init__(self, elements: int) -> None:
        self.spec = Spec(BY_NAME["F32"], (elements,))
        self.readings = 0

    def blocks(self) -> Iterator[Buffer]:
        self.readings += 1
        yield from (np.ones(1, "<f4").data.cast("B"), np.full(1, 2, "<f4").data.cast("B"))


def read_twice(elements: int) -> list[int]:
    """How often a head, and a base, of that many elements are read when they are asked for twice."""
    head, base = Counted(elements), Counted(elements)
    contest = hold_small(Contest("w", (head, None), base))
    branch, lacking = contest.branches
    assert branch and contest.base and lacking is None
    for operand in (branch, contest.base):
        readings = [np.concatenate(list(operand.arrays(NUMPY))).tolist() for _ in range(2)]
        assert readings == [[1.0, 2.0]] * 2
    return [head.readings, base.readings]


def test_small_tensors_are_read_once() -> None:
    assert read_twice(SMALL // 8) == [1, 1]


def test_tensors_that_are_not_small_together_are_not_held() -> None:
    assert read_twice(SMALL // 8 + 1) == [2, 2]


def test_a_report_is_that_of_the_contest_it_came_from() -> None:
    contest = Contest("w", (Counted(1), Counted(1)))
    hold_small(contest).report.facts["t"] = 1.0
    assert contest.report.facts == {"t": 1.0}
