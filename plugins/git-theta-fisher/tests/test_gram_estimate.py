"""Gram matrices of inputs, against what can be written down."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
from git_theta.errors import UsageError

from git_theta_fisher.gram_estimate import estimate_grams

torch = pytest.importorskip("torch", reason="models are torch's")


def make_chain() -> Any:
    torch.manual_seed(1)
    layers = OrderedDict(first=torch.nn.Linear(3, 4), bend=torch.nn.ReLU(), second=torch.nn.Linear(4, 2))
    return torch.nn.Sequential(OrderedDict(layers=torch.nn.Sequential(layers)))


NAMES = ("layers.first.weight", "layers.first.bias", "layers.second.weight")


def test_it_is_the_mean_over_all_rows_of_all_batches() -> None:
    chain, batches = make_chain(), [torch.randn(5, 3), torch.randn(2, 7, 3)]
    found = estimate_grams(chain, batches, NAMES)
    rows = torch.cat([batch.reshape(-1, 3) for batch in batches])
    torch.testing.assert_close(found["layers.first.weight"], rows.T @ rows / 19)
    hidden = chain.layers.first(rows).relu().detach()
    torch.testing.assert_close(found["layers.second.weight"], hidden.T @ hidden / 19)
    assert found.keys() == {"layers.first.weight", "layers.second.weight"}


def test_layers_that_the_checkpoint_does_not_have_are_left_out() -> None:
    assert estimate_grams(make_chain(), [torch.ones(1, 3)], NAMES[:1]).keys() == {NAMES[0]}


@pytest.mark.parametrize("batch", [(torch.ones(1, 3),), {"input": torch.ones(1, 3)}], ids=["tuple", "mapping"])
def test_batches_may_be_arguments(batch: Any) -> None:
    assert estimate_grams(make_chain(), [batch], NAMES)[NAMES[0]].tolist() == [[1.0] * 3] * 3


def test_layers_may_be_called_by_keyword() -> None:
    class Named(torch.nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.head = torch.nn.Linear(3, 2)

        def forward(self, rows: Any) -> Any:
            return self.head(input=rows)

    assert estimate_grams(Named(), [torch.ones(1, 3)], ["head.weight"])["head.weight"].tolist() == [[1.0] * 3] * 3


def test_so_many_batches_are_run_and_no_more() -> None:
    batches = iter([torch.ones(1, 3), torch.ones(1, 3) * 3, torch.ones(1, 3) * 100])
    found = estimate_grams(make_chain(), batches, NAMES, most=2)
    assert found[NAMES[0]][0, 0] == 5
    assert next(batches)[0, 0] == 100


def test_halves_are_multiplied_in_fp32() -> None:
    chain = make_chain().bfloat16()
    found = estimate_grams(chain, [torch.full((1000, 3), 0.1).bfloat16()], NAMES)
    assert found[NAMES[0]].dtype == torch.float32
    assert found[NAMES[0]][0, 0].item() == pytest.approx(float(torch.tensor(0.1).bfloat16()) ** 2, rel=1e-4)


def test_no_hook_stays_behind() -> None:
    chain = make_chain()
    with pytest.raises(RuntimeError):
        estimate_grams(chain, [torch.ones(1, 9)], NAMES)
    assert not chain.layers.first._forward_pre_hooks


@pytest.mark.parametrize(
    ("names", "batches", "reason"),
    [
        (("w",), [torch.ones(1, 3)], "no linear layer of the model has its weight in the checkpoint: 'layers.first"),
        (NAMES, [], "there was no batch"),
        (NAMES, [torch.full((1, 3), float("inf"))], "inputs of layers.first.weight are not finite"),
    ],
)
def test_what_cannot_be_is_said(names: Any, batches: Any, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        estimate_grams(make_chain(), batches, names)
