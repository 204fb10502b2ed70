"""regmean runs Git-Theta's conformance kit, and is compared with the formula."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from git_theta.errors import ConflictError, UsageError
from git_theta.merging import options
from git_theta.merging.base import Contest, Operand, Strategy
from git_theta.merging.checks import check_contest
from git_theta.merging.execution import merge_bytes
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.testing.merges import StrategyLaws
from git_theta.testing.operands import InMemory, fine, operand
from git_theta.testing.strategy_hooks import Numbers

from git_theta_fisher.regression_strategy import REGMEAN

Array = npt.NDArray[np.float64]
KINDS = {"F32": "<f4", "F64": "<f8"}


def regress(weights: Sequence[Array], grams: Sequence[Array], alpha: float, counts: Sequence[float] = ()) -> Array:
    """The paper's equation by singular values, in fp64: W of the least squares over all inputs of all heads."""
    shrunk = [gram * alpha + np.diag(np.diag(gram)) * (1 - alpha) for gram in grams]
    shrunk = [gram * count for gram, count in zip(shrunk, counts or [1.0] * len(grams), strict=True)]
    left, values, right = np.linalg.svd(sum(shrunk))
    inverse = right.T / values @ left.T
    return np.asarray(sum(weight @ gram for weight, gram in zip(weights, shrunk, strict=True)) @ inverse)


class TestRegmean(StrategyLaws):
    """Of matrices, with Gram matrices of made-up inputs."""

    shape = (24, 15)

    def make_strategy(self) -> Strategy:
        return REGMEAN

    def options(self, heads: int) -> Iterable[Mapping[str, Any]]:  # noqa: ARG002
        return {}, {"alpha": 0.5}

    def make_companion(self, name: str, head: Operand) -> Operand:  # noqa: ARG002
        side = math.prod(head.spec.shape[1:])
        inputs = np.array(fine(3 * side * side, int(head.oid[:8], 16))).reshape(3 * side, side)
        dtype = "F64" if head.spec.dtype.name == "F64" else "F32"
        return operand((inputs.T @ inputs).ravel().tolist(), dtype, (side, side))

    def _accompany(self, asked: Contest) -> Contest:
        return super()._accompany(asked) if len(asked.spec.shape) > 1 else asked

    def oracle_with_companions(
        self,
        heads: Sequence[Numbers],
        base: Numbers,  # noqa: ARG002
        weights: Sequence[float],
        chosen: Mapping[str, Any],
        companions: Mapping[str, Sequence[Numbers]],
    ) -> Numbers:
        rows, columns = self.shape
        grams = [np.array(held).reshape(columns, columns) for held in companions["gram"]]
        matrices = [np.array(head).reshape(rows, columns) for head in heads]
        found: Numbers = regress(matrices, grams, chosen["alpha"], weights).ravel().tolist()
        return found


def matrix(values: Array, dtype: str) -> InMemory:
    return InMemory(values.astype(KINDS[dtype]).tobytes(), Spec(BY_NAME[dtype], values.shape))


def contest(
    heads: Sequence[Array], grams: Sequence[Array | None], dtype: str = "F64", *, given: Any = None, **more: Any
) -> Contest:
    beside = tuple(None if gram is None else matrix(gram, dtype) for gram in grams)
    chosen = options.parse_options("regmean", REGMEAN.options, given or {})
    branches = tuple(matrix(head, dtype) for head in heads)
    return Contest("w", branches, companions={"gram": beside}, options=chosen, **more)


def merged(asked: Contest) -> Array:
    check_contest(REGMEAN, asked)
    data = b"".join(bytes(piece) for piece in merge_bytes(REGMEAN, asked))
    return np.frombuffer(data, KINDS[asked.spec.dtype.name]).reshape(asked.spec.shape).astype("f8")


def made(shape: tuple[int, int], heads: int = 3) -> tuple[list[Array], list[Array], list[Array]]:
    """Weights, inputs and Gram matrices of some heads."""
    rng = np.random.default_rng([*shape, heads])
    weights = [rng.standard_normal(shape) for _ in range(heads)]
    inputs = [rng.standard_normal((200, shape[1])) * rng.random(shape[1]) for _ in range(heads)]
    return weights, inputs, [rows.T @ rows / len(rows) for rows in inputs]


@pytest.mark.parametrize("shape", [(20, 12), (12, 20), (2, 2)], ids=str)
@pytest.mark.parametrize("alpha", [0.0, 0.9, 0.999])
def test_it_is_the_formula_by_singular_values(shape: tuple[int, int], alpha: float) -> None:
    weights, _, grams = made(shape)
    found = merged(contest(weights, grams, given={"alpha": alpha}))
    np.testing.assert_allclose(found, regress(weights, grams, alpha), rtol=0, atol=1e-11)


def test_in_fp32_it_is_rounded_once() -> None:
    weights, _, grams = ([one.astype("f4").astype("f8") for one in part] for part in made((20, 12)))
    found, truth = merged(contest(weights, grams, "F32")), regress(weights, grams, 0.9)
    assert np.all(np.abs(found - truth) <= 0.51 * np.exp2(np.floor(np.log2(np.abs(truth)))) * 2.0**-23)


def test_with_all_of_the_gram_it_is_the_least_squares_over_all_inputs() -> None:
    """What the paper derives it from, but for what alpha below 1 changes."""
    weights, inputs, grams = made((20, 12))
    outputs = np.concatenate([rows @ weight.T for rows, weight in zip(inputs, weights, strict=True)])
    nearest = np.linalg.lstsq(np.concatenate(inputs), outputs, rcond=None)[0].T
    found = merged(contest(weights, grams, given={"alpha": 0.9999}))
    np.testing.assert_allclose(found, nearest, rtol=0, atol=1e-3)


def test_heads_count_by_their_weights() -> None:
    weights, _, grams = made((9, 7))
    found = merged(contest(weights, grams, weights=(1.0, 0.0, 2.5)))
    np.testing.assert_allclose(found, regress(weights, grams, 0.9, (1.0, 0.0, 2.5)), rtol=0, atol=1e-11)


def test_inputs_that_no_head_has_seen_take_the_mean() -> None:
    weights, _, grams = made((9, 7))
    for gram in grams:
        gram[3], gram[:, 3] = 0, 0
    found = merged(contest(weights, grams))
    np.testing.assert_allclose(found[:, 3], np.mean(weights, axis=0)[:, 3], rtol=0, atol=1e-11)
    dead = merged(contest(weights, [np.zeros((7, 7))] * 3))
    np.testing.assert_allclose(dead, np.mean(weights, axis=0), rtol=0, atol=1e-12)


def test_equal_heads_come_out_as_they_are() -> None:
    weights, _, grams = made((9, 7))
    again = merged(contest([weights[0].astype("f4")] * 3, grams, "F32"))
    np.testing.assert_array_equal(again, weights[0].astype("f4"))


def test_what_has_no_gram_anywhere_is_averaged() -> None:
    weights, _, _ = made((9, 7))
    np.testing.assert_allclose(merged(contest(weights, [None] * 3)), np.mean(weights, axis=0), rtol=0, atol=1e-15)


def test_a_gram_that_a_head_lacks_is_a_conflict() -> None:
    weights, _, grams = made((9, 7))
    with pytest.raises(ConflictError, match=r"\{stem\}\.gram\{suffix\}.*head 2 is without it"):
        merged(contest(weights, [grams[0], None, grams[2]]))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda gram: gram.__setitem__((1, 2), np.nan), "NaN or infinite"),
        (lambda gram: gram.__setitem__((1, 1), -1.0), "negative numbers on its diagonal"),
        (lambda gram: gram.__setitem__((1, 2), 50.0), "not symmetric"),
    ],
)
def test_what_is_no_gram_matrix_is_a_conflict_that_names_the_parameter(spoil: Any, reason: str) -> None:
    weights, _, grams = made((9, 7))
    spoil(grams[1])
    with pytest.raises(ConflictError, match=reason) as raised:
        merged(contest(weights, grams))
    assert raised.value.parameter == "w"


def test_a_gram_of_another_shape_is_a_conflict() -> None:
    weights, _, grams = made((9, 7))
    with pytest.raises(ConflictError, match=r"its gram is F64 \[9, 9\]"):
        merged(contest(weights, [*grams[:2], np.eye(9)]))


def test_more_columns_than_max_side_are_a_conflict_and_without_a_gram_none() -> None:
    weights, _, grams = made((9, 7))
    with pytest.raises(ConflictError, match="up to 6 columns, and this one has 7"):
        merged(contest(weights, grams, given={"max_side": 6}))
    assert merged(contest(weights, [None] * 3, given={"max_side": 6})).shape == (9, 7)


@pytest.mark.parametrize("weights", [(1.0, -1.0, 1.0), (0.0, 0.0, 0.0)])
def test_weights_that_mean_nothing_are_refused(weights: tuple[float, ...]) -> None:
    matrices, _, grams = made((9, 7))
    with pytest.raises(UsageError, match="0 or more, and not only 0"):
        merged(contest(matrices, grams, weights=weights))


def test_the_order_of_heads_changes_no_byte() -> None:
    weights, _, grams = made((9, 7))
    asked = contest(weights, grams, "F32")
    turned = contest(weights[::-1], grams[::-1], "F32")
    np.testing.assert_array_equal(merged(asked), merged(turned))
    np.testing.assert_array_equal(merged(asked), merged(replace(asked, chunk=5)))
