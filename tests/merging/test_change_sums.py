"""How a merge lies to the changes that went into it, against numpy in fp64."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest

from git_theta.merging.base import Contest
from git_theta.merging.change_sums import ChangeFacts, add_up_facts, describe_facts, describe_total, sum_changes
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.testing.operands import InMemory

Array = npt.NDArray[np.float32]


def operand(values: Array) -> InMemory:
    return InMemory(values.astype("<f4").tobytes(), Spec(BY_NAME["F32"], values.shape))


def contest(heads: list[Array | None], base: Array) -> Contest:
    return Contest("w", tuple(None if head is None else operand(head) for head in heads), operand(base))


def expected(base: Array, heads: list[Array], merged: Array) -> ChangeFacts:
    """The definitions, word for word."""
    changes = [head.astype("f8") - base for head in heads]
    lengths = [float(np.linalg.norm(change)) for change in changes]
    cosines = [float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) for a, b in combinations(changes, 2)]
    raised, lowered = (np.any([sign * change > 0 for change in changes], axis=0) for sign in (1, -1))
    ratio = float(np.linalg.norm(merged.astype("f8") - base)) / max(lengths)
    return ChangeFacts(ratio, float(np.mean(cosines)), float(np.mean(raised & lowered)), 1, base.size)


def numbers(count: int, seed: int) -> list[Array]:
    rng = np.random.default_rng(seed)
    base = rng.standard_normal(count).astype("f4")
    return [base, *(base + rng.standard_normal(count).astype("f4") * scale for scale in (0.1, 0.3, 0.2, 0.15))]


def assert_close(found: ChangeFacts | None, truth: ChangeFacts) -> None:
    assert found
    assert found[1:] == pytest.approx(truth[1:], rel=1e-9)
    assert found.ratio == pytest.approx(truth.ratio, rel=1e-9)


@pytest.mark.parametrize("count", [1, 70_001])
def test_one_parameter(count: int) -> None:
    base, *heads, merged = numbers(count, 1)
    assert_close(sum_changes(contest([*heads], base), [operand(merged).data]).facts(), expected(base, heads, merged))


def test_parameters_add_up_to_one_vector() -> None:
    small, large = numbers(50, 2), numbers(3000, 3)
    sums = [sum_changes(contest([*heads], base), [operand(merged).data]) for base, *heads, merged in (small, large)]
    base, *heads, merged = (np.concatenate(pair) for pair in zip(small, large, strict=True))
    assert_close(add_up_facts(sums), expected(base, heads, merged)._replace(parameters=2))
    assert sums[0].facts().parameters == 1, "adding up changed what was added"


def test_a_head_that_lacks_it_or_left_it_has_no_angle() -> None:
    base, first, second, merged, _ = numbers(40, 4)
    both = expected(base, [first, second], merged)
    assert_close(sum_changes(contest([first, None, base, second], base), [operand(merged).data]).facts(), both)


def test_what_is_not_finite_in_any_version_counts_nowhere() -> None:
    base, *heads, merged = numbers(40, 5)
    truth = expected(base[2:], [head[2:] for head in heads], merged[2:])
    heads[1][0], merged[1] = np.nan, np.inf
    sums = sum_changes(contest([*heads], base), [operand(merged).data])
    assert sums.nonfinite == [0, 1, 0, 1, 0]
    found = sums.facts()
    assert found.ratio == pytest.approx(truth.ratio)
    assert found.cosine == pytest.approx(truth.cosine)


def test_what_is_not_finite_is_counted_by_version_of_all_parameters() -> None:
    base, head, _, merged, _ = numbers(70_001, 6)
    base[[3, 70_000]], head[5] = (np.inf, np.nan), -np.inf
    sums = sum_changes(contest([None, head], base), [operand(merged).data])
    assert sums.nonfinite == [0, 1, 0, 2]
    sums.include(sum_changes(contest([head, base], base)))
    assert sums.nonfinite == [1, 3, 0, 4]


def test_numbers_whose_squares_no_double_holds() -> None:
    huge = [np.full(3, value, "<f8") for value in (0.0, 1e300, -1e300, 5e299)]
    base, *heads, merged = (InMemory(one.tobytes(), Spec(BY_NAME["F64"], (3,))) for one in huge)
    found = sum_changes(Contest("w", tuple(heads), base), [merged.data]).facts()
    assert found == pytest.approx(ChangeFacts(0.5, -1.0, 1.0, 1, 3))


@pytest.mark.parametrize("count", [0, 4])
def test_nothing_that_changed_has_no_ratio(count: int) -> None:
    base = np.zeros(count, "f4")
    found = sum_changes(contest([base, base], base), [operand(base).data]).facts()
    assert found == ChangeFacts(None, None, 0.0 if count else None, 1, count)
    assert describe_facts(found) == ("sign conflicts 0.0%" if count else "")


def test_nothing_measured_has_no_facts() -> None:
    assert add_up_facts([]) is None


def test_people_read_what_r_is() -> None:
    facts = ChangeFacts(1.25, -0.5, 0.125, 2, 1)
    assert describe_total(facts) == (
        "2 parameters, 1 number: R 1.25, cosine of changes -0.5000, sign conflicts 12.5%"
        " (R = |merged - base| / the longest |head - base|)"
    )
