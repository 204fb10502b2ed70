"""The strategy runs Git-Theta's conformance kit, and is compared with the formula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from git_theta.errors import ConflictError, UsageError
from git_theta.merging.base import Contest, Strategy
from git_theta.merging.checks import check_contest
from git_theta.merging.execution import merge_bytes
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.testing.merges import StrategyLaws
from git_theta.testing.operands import InMemory

from git_theta_fisher.fisher_strategy import FISHER


class TestFisher(StrategyLaws):
    def make_strategy(self) -> Strategy:
        return FISHER

    def oracle_with_companions(
        self,
        heads: Sequence[list[float]],
        base: list[float],  # noqa: ARG002
        weights: Sequence[float],
        chosen: Mapping[str, Any],  # noqa: ARG002
        companions: Mapping[str, Sequence[list[float]]],
    ) -> list[float]:
        shares = [[share * one for one in held] for share, held in zip(weights, companions["fisher"], strict=True)]
        pairs = zip(zip(*heads, strict=True), zip(*shares, strict=True), strict=True)
        return [sum(map(float.__mul__, values, counts)) / sum(counts) for values, counts in pairs]


def vector(values: Sequence[float], dtype: str = "F32") -> InMemory:
    kind = {"F32": "<f4", "F64": "<f8"}[dtype]
    return InMemory(np.array(values, kind).tobytes(), Spec(BY_NAME[dtype], (len(values),)))


def contest(
    heads: Sequence[Sequence[float]], fishers: Sequence[Sequence[float]], dtype: str = "F32", **more: Any
) -> Contest:
    return Contest(
        "w",
        tuple(vector(head, dtype) for head in heads),
        companions={"fisher": tuple(map(vector, fishers))},
        options={"fisher": ""},
        **more,
    )


def merged(asked: Contest) -> Any:
    check_contest(FISHER, asked)
    data = b"".join(bytes(piece) for piece in merge_bytes(FISHER, asked))
    return np.frombuffer(data, {"F32": "<f4", "F64": "<f8"}[asked.spec.dtype.name])


@pytest.mark.parametrize("dtype", ["F32", "F64"])
@pytest.mark.parametrize("weights", [None, (1.0, 2.0, 0.5)])
def test_it_is_the_formula(dtype: str, weights: tuple[float, ...] | None) -> None:
    generator = np.random.default_rng(1)
    heads, fishers = generator.standard_normal((3, 1000)), generator.random((3, 1000)).astype("f4") ** 8
    found = merged(contest(heads.tolist(), fishers.tolist(), dtype, weights=weights))
    shares = fishers.astype("f8") * np.array(weights or (1, 1, 1))[:, None]
    np.testing.assert_allclose(
        found, (shares * heads).sum(0) / shares.sum(0), rtol=1e-5, atol=2e-6 if dtype == "F32" else 0
    )


def test_the_head_that_knows_decides_and_where_none_does_it_is_the_mean() -> None:
    found = merged(contest([[1, 1, 1], [3, 3, 3]], [[5, 0, 0], [0, 2, 0]]))
    assert found.tolist() == [1, 3, 2]


def test_the_order_of_heads_changes_no_byte() -> None:
    generator = np.random.default_rng(2)
    heads = [generator.standard_normal(500).tolist() for _ in range(2)]
    heads.append(heads[0])
    fishers = generator.random((3, 500)).tolist()
    asked = [
        merged(contest([heads[at] for at in order], [fishers[at] for at in order])) for order in ((0, 1, 2), (2, 0, 1))
    ]
    assert asked[0].tobytes() == asked[1].tobytes()


def test_negative_information_is_a_conflict_that_names_the_parameter() -> None:
    with pytest.raises(ConflictError, match="negative") as raised:
        merged(contest([[1.0], [2.0]], [[1.0], [-1.0]]))
    assert raised.value.parameter == "w"


def test_information_that_is_no_number_is_told() -> None:
    asked = contest([[1.0, 1.0], [2.0, 2.0]], [[1.0, float("nan")], [1.0, 1.0]])
    found = merged(asked)
    assert found[0] == 1.5
    assert np.isnan(found[1])
    assert asked.report.nonfinite["fisher of head 1"] == 1


@pytest.mark.parametrize("weights", [(1.0, -1.0), (0.0, 0.0)])
def test_weights_that_mean_nothing_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="0 or more, and not only 0"):
        merged(contest([[1.0], [2.0]], [[1.0], [1.0]], weights=weights))


def test_a_head_without_information_is_a_conflict() -> None:
    asked = contest([[1.0], [2.0]], [[1.0], [1.0]])
    lacking: Mapping[str, Any] = {"fisher": (asked.companions["fisher"][0], None)}
    with pytest.raises(ConflictError, match=r"\{stem\}\.fisher\{suffix\}"):
        merged(replace(asked, companions=lacking))
