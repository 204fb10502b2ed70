"""How far changes agree, against numpy in fp64."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from torch import Tensor

from git_theta.errors import UsageError
from git_theta.merging.agreement import Agreement, is_measurable, measure_changes
from git_theta.merging.base import Contest
from git_theta.merging.devices import device
from git_theta.merging.given_operands import TensorOperand


def contest(*heads: Tensor | None, base: Tensor | None, chunk: int = 1 << 16) -> Contest:
    branches = tuple(None if head is None else TensorOperand(head) for head in heads)
    return Contest("w", branches, None if base is None else TensorOperand(base), chunk=chunk)


@pytest.mark.parametrize("chunk", [7, 1 << 16])
def test_cosines_and_sign_conflicts_of_every_pair(chunk: int) -> None:
    generator = torch.Generator().manual_seed(1)
    base, *heads = (torch.randn(3, 41, generator=generator) for _ in range(4))
    heads[0][0] = base[0]  # an element that a head did not change contradicts nobody
    changes = [(head.double() - base.double()).numpy().ravel() for head in heads]
    found = measure_changes(contest(*heads, base=base, chunk=chunk)).agreements
    assert [pair.heads for pair in found] == list(combinations(range(3), 2))
    for (i, j), cosine, share in found:
        dot = changes[i] @ changes[j]
        assert cosine == pytest.approx(dot / np.linalg.norm(changes[i]) / np.linalg.norm(changes[j]), rel=1e-5)
        assert share == np.mean(changes[i] * changes[j] < 0)


def test_a_head_without_the_parameter_is_left_out() -> None:
    base = torch.zeros(4)
    [pair] = measure_changes(contest(torch.ones(4), None, -torch.ones(4), base=base)).agreements
    assert pair == Agreement((0, 2), -1.0, 1.0)


def test_no_change_has_no_direction() -> None:
    [pair] = measure_changes(contest(torch.ones(4), torch.zeros(4), base=torch.zeros(4))).agreements
    assert pair == Agreement((0, 1), None, 0.0)


@pytest.mark.parametrize(
    ("heads", "base"),
    [
        ([torch.ones(2), torch.zeros(3)], torch.zeros(2)),
        ([torch.ones(2, dtype=torch.int64), torch.zeros(2, dtype=torch.int64)], torch.zeros(2, dtype=torch.int64)),
    ],
    ids=["other shapes", "integers"],
)
def test_what_has_no_changes_to_compare(heads: list[Tensor], base: Tensor) -> None:
    assert not is_measurable(contest(*heads, base=base))


def test_devices() -> None:
    assert device("cpu") == "cpu"
    assert device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    for asked in ("cuda:999", "gpu", "cuda:", ""):
        with pytest.raises(UsageError):
            device(asked)
