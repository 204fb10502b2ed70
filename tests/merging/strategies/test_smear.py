"""SMEAR: which group a parameter is in, how much of each head goes in, and what is refused."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch

from git_theta import merge_state_dicts, merge_tensors
from git_theta.errors import UsageError
from git_theta.merging.strategies.smear import entropy, group_of, layer_norm, softmax
from tests.merging.strategies.cases import contest, merge

ONE, TWO, FOUR = torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor([4.0])


def weights_used(heads: int = 3, name: str = "encoder.0.weight", **options: Any) -> tuple[float | None, ...]:
    asked = contest("smear", [ONE, TWO, FOUR][:heads], name=name, **options)
    merge("smear", asked)
    return asked.report.weights


def test_weights_are_a_softmax_of_logits_over_temperature() -> None:
    asked = contest("smear", [ONE, TWO], logits={"*": [0.0, math.log(3)]})
    assert merge("smear", asked).tolist() == [1.75]
    assert asked.report.weights == pytest.approx((0.25, 0.75))
    assert asked.report.facts["entropy"] == pytest.approx(-0.25 * math.log(0.25) - 0.75 * math.log(0.75))
    assert weights_used(2, logits={"*": [0, 1]}, temperature=2) == pytest.approx(tuple(softmax([0, 1], 2)))


def test_groups_are_modules_unless_globs_say_otherwise() -> None:
    assert group_of("encoder.0.weight", ()) == "encoder.0"
    assert group_of("weight", ()) == ""
    assert group_of("encoder.0.weight", ("decoder.*", "*.0.*", "encoder.*")) == "*.0.*"


def test_each_group_has_its_own_logits() -> None:
    logits = {"encoder.0": [9, 0, 0], "encoder.*": [0, 9, 0], "*": [0, 0, 9]}
    for name, best in (("encoder.0.weight", 0), ("encoder.1.weight", 1), ("head", 2)):
        used = weights_used(name=name, logits=json.dumps(logits))
        assert max(range(3), key=lambda head: used[head] or 0) == best


def test_a_declared_group_shares_its_logits() -> None:
    options: dict[str, Any] = {"groups": "encoder.*", "logits": {"encoder.*": [0, 1, 2]}}
    assert weights_used(name="encoder.0.weight", **options) == weights_used(name="encoder.7.bias", **options)


def test_routing_compares_normalised_vectors_with_a_query() -> None:
    """LayerNorm(q) . LayerNorm(r_i), against torch's LayerNorm."""
    query, routing = [1.0, 2.0, 4.0], [[1.0, 2.0, 5.0], [3.0, 1.0, 0.0], [0.0, 0.0, 0.0]]

    def norm(vector: list[float]) -> torch.Tensor:
        return torch.nn.functional.layer_norm(torch.tensor(vector, dtype=torch.float64), (3,))

    expected = torch.softmax(torch.stack([norm(query) @ norm(vector) for vector in routing]), 0)
    used = weights_used(routing={"*": routing}, query=query)
    assert used == pytest.approx(tuple(expected.tolist()))
    assert weights_used(routing={"*": routing}, query={"*": query}) == used
    assert layer_norm(query) == pytest.approx(norm(query).tolist())


def test_scores_are_logits_for_all_groups() -> None:
    assert weights_used(scores="0.5,0.25,1") == weights_used(logits={"*": [0.5, 0.25, 1.0]})


def test_a_head_that_lacks_the_parameter_is_left_out_and_the_rest_renormalised() -> None:
    asked = contest("smear", [ONE, None, FOUR], logits={"*": [0.0, 50.0, 0.0]})
    assert merge("smear", asked).tolist() == [2.5]
    assert asked.report.weights == (0.5, None, 0.5)
    base = {"w": torch.zeros(1)}
    merged = merge_state_dicts("smear", [{"w": ONE}, {}, {"w": FOUR}], base, scores=[0, 50, 0])
    assert merged["w"].tolist() == [2.5]


def test_entropy_tells_a_choice_from_a_mixture() -> None:
    assert entropy([1.0, 0.0]) == 0.0
    assert entropy([0.25] * 4) == pytest.approx(math.log(4))


def test_huge_logits_do_not_overflow() -> None:
    assert weights_used(2, logits={"*": [1e308, -1e308]}, temperature=1e-5) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one of logits, routing and scores, not none of them"),
        ({"logits": {"*": [1, 2]}, "scores": [1, 2]}, "not logits and scores"),
        ({"logits": {"decoder": [1, 2]}}, "logits has nothing for the group 'encoder', only for 'decoder'"),
        ({"logits": {"*": [1, 2, 3]}}, "logits has 3 entries, not 2"),
        ({"logits": {"*": ["a", 2]}}, "logits should be finite numbers"),
        ({"logits": {"*": [float("nan"), 2]}}, "logits should be finite numbers"),
        ({"logits": {"*": 3}}, "logits should be a list, not 3"),
        ({"scores": [1]}, "scores has 1 entries, not 2"),
        ({"routing": {"*": [[1, 2], [3, 4]]}}, "routing takes a query as well"),
        ({"routing": {"*": [[1, 2], [3, 4]]}, "query": [1, 2, 3]}, "a routing vector has 2 entries, not 3"),
        ({"routing": {"*": [[1, 2]]}, "query": [1, 2]}, "routing has 1 entries, not 2"),
        ({"scores": [1, 2], "temperature": 0}, r"temperature takes a number in \(0, inf\), not 0"),
    ],
)
def test_what_is_wrong_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        merge_tensors("smear", [ONE, TWO], name="encoder.weight", **options)
