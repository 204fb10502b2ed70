"""lines: which layer a parameter belongs to, and how much its task vectors count there."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from git_theta import merge_state_dicts
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.strategies.layer_scaling import layer_number
from tests.merging.strategies.cases import contest

NAMES = ("embeddings.word.weight", "encoder.layer.0.weight", "encoder.layer.1.weight", "encoder.layer.4.weight", "head")


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("encoder.layer.11.output.weight", 11),
        ("layers.3.experts.7.w1", 3),
        ("12.weight", 12),
        ("resnet/block/2/kernel", 2),
        ("conv1.weight", None),
        ("fc2", None),
        ("head.weight", None),
    ],
)
def test_the_layer_is_the_first_part_that_is_a_number(name: str, number: int | None) -> None:
    assert layer_number(name) == number


def test_deeper_layers_count_more() -> None:
    base = {name: np.zeros(3) for name in NAMES}
    heads = [{name: np.full(3, value) for name in NAMES} for value in (1.0, 2.0)]
    merged = merge_state_dicts("lines", heads, base, alpha=0.1, beta=0.4)
    assert [float(merged[name][0]) for name in NAMES] == pytest.approx([0.3, 0.3, 0.6, 1.5, 1.5])


def test_how_many_layers_there_are_can_be_said() -> None:
    base = {name: np.zeros(3) for name in NAMES}
    heads = [{name: np.full(3, value) for name in NAMES} for value in (1.0, 2.0)]
    merged = merge_state_dicts("lines", heads, base, alpha=0.0, beta=1.0, layers=9, normalize=True)
    assert [float(merged[name][0]) for name in NAMES] == pytest.approx([0, 0, 1.5 / 8, 1.5 / 2, 1.5])
    fewer = merge_state_dicts("lines", heads, base, alpha=0.0, beta=1.0, layers=2, normalize=True)
    assert float(fewer["encoder.layer.4.weight"][0]) == 1.5, "no layer is deeper than the last"


def test_the_report_says_by_how_much() -> None:
    strategy = load_strategy("lines")
    base, *heads = (torch.full((5,), float(value)) for value in range(3))
    contests = [contest("lines", heads, base, name=name) for name in NAMES]
    for asked in strategy.prepare(contests):
        list(strategy.merge(asked))
    assert [asked.report.facts["lambda"] for asked in contests] == pytest.approx([0.3, 0.3, 0.375, 0.6, 0.6])
