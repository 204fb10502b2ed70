"""Merging for each example, against merges by hand; training; and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import pytest
import torch
from git_theta import merge_state_dicts
from git_theta.errors import ConflictError, UsageError
from torch import Tensor, nn
from torch.func import functional_call

from git_theta_smear import SmearModel, fit_router

BRANCHES = ("main", "law", "code")
FEATURES = 6
LONE = ("encoder.1.weight", "encoder.1.bias")
"""What only one expert changes."""
ROUTED = ["encoder.0.weight", "encoder.0.bias", "head.weight", "head.bias"]


class Toy(nn.Module):
    """Two layers, and a norm with running statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(FEATURES, 8), nn.BatchNorm1d(8), nn.ReLU())
        self.head = nn.Linear(8, 3)

    def forward(self, rows: Tensor, scales: Tensor | None = None) -> Tensor:
        found: Tensor = self.head(self.encoder(rows))
        return found if scales is None else found * scales


def make_base(dtype: torch.dtype = torch.float32) -> nn.Module:
    torch.manual_seed(0)
    return Toy().to(dtype).eval()


def make_branches(base: nn.Module) -> dict[str, dict[str, Tensor]]:
    torch.manual_seed(1)
    return {name: change(base.state_dict(), name) for name in BRANCHES}


def change(tensors: Mapping[str, Tensor], expert: str) -> dict[str, Tensor]:
    changed = {}
    for name, one in tensors.items():
        if not one.is_floating_point():
            changed[name] = one + BRANCHES.index(expert)
        elif name in LONE and expert != "law":
            changed[name] = one.clone()
        else:
            changed[name] = one + torch.rand_like(one)
    return changed


def make_model(groups: Sequence[str] = (), dtype: torch.dtype = torch.float32) -> SmearModel:
    """With routers that prefer something, as after training."""
    base = make_base(dtype)
    model = SmearModel.from_branches(base, make_branches(base), groups, features=4).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("vector_norm.weight"):
                parameter.fill_(0.7)
    return model


@pytest.mark.parametrize(
    ("globs", "groups"),
    [
        ((), ["encoder.0", "head"]),
        (("*",), ["*"]),
        (("encoder.*", "head.*"), ["encoder.*", "head.*"]),
        (("*.weight",), ["*.weight", "encoder.0", "head"]),
    ],
)
def test_each_example_has_the_model_that_one_would_merge_for_it(globs: Sequence[str], groups: list[str]) -> None:
    model, query, rows = make_model(globs), torch.randn(5, 4), torch.randn(5, FEATURES)
    assert list(model.experts.groups) == ROUTED
    assert list(model.groups) == groups
    weights = model.compute_weights(query)
    expected = []
    base = make_base()
    branches = make_branches(base)
    for example in range(5):
        tensors = dict(branches["law"])  # alone in having changed the norm
        for name in ROUTED:
            shares = weights[model.experts.groups[name]][example]
            tensors[name] = sum(
                (share * one[name] for share, one in zip(shares, branches.values(), strict=True)),
                torch.zeros_like(tensors[name]),
            )
        for name in ("encoder.1.running_mean", "encoder.1.running_var"):
            tensors[name] = torch.stack([one[name] for one in branches.values()]).mean(0)
        expected.append(functional_call(base, tensors, (rows[example : example + 1],)))
    torch.testing.assert_close(model(query, rows), torch.cat(expected))


def test_several_inputs_are_taken_example_by_example() -> None:
    model, query, rows, scales = make_model(), torch.randn(5, 4), torch.randn(5, FEATURES), torch.randn(5, 1)
    torch.testing.assert_close(model(query, rows, scales), model(query, rows) * scales)


def test_groups_may_see_different_things() -> None:
    base = make_base()
    sizes = {"encoder.0": 4, "head": 8}
    model = SmearModel.from_branches(base, make_branches(base), features=sizes).eval()
    query = {group: torch.randn(5, size) for group, size in sizes.items()}
    assert [weights.shape for weights in model.compute_weights(query).values()] == [(5, 3), (5, 3)]
    assert model(query, torch.randn(5, FEATURES)).shape == (5, 3)


def test_gradients_flow_into_every_router_and_nowhere_else() -> None:
    model = make_model()
    loss = model(torch.randn(5, 4), torch.randn(5, FEATURES)).square().sum()
    loss.backward()
    vectors = [one.grad for name, one in model.named_parameters() if name.endswith("vectors")]
    assert len(vectors) == 2
    assert all(one is not None and bool(one.abs().max() > 0) for one in vectors)
    assert all(one.grad is None for tensors in model.experts.experts for one in tensors.values())
    assert all(name.startswith("routers.") for name in model.state_dict())


def test_fitted_routers_find_the_expert_that_answered() -> None:
    base = make_base()
    branches = make_branches(base)
    model = SmearModel.from_branches(base, branches, ["*"], features=4)
    torch.manual_seed(2)
    kinds = torch.arange(60) % 3
    query, rows = torch.eye(4)[kinds], torch.randn(60, FEATURES)
    whole = [{**tensors, **model.experts.settled} for tensors in branches.values()]
    with torch.no_grad():
        answers = torch.stack([functional_call(base, one, (rows,)) for one in whole])[kinds, torch.arange(60)]
    losses = fit_router(model, [(query, rows, answers)] * 60, nn.functional.mse_loss, learning_rate=0.1)
    assert min(losses) < losses[0] / 3
    assert not model.training
    weights = model.compute_weights(query)["*"]
    assert torch.equal(weights.argmax(1), kinds)
    assert weights.max(1).values.min() > 0.8


def test_a_bake_is_the_mean_of_what_examples_are_merged() -> None:
    model, query = make_model(("encoder.*",), torch.float64), torch.randn(9, 4)
    baked, merged = model.bake(query), model.merge_examples(query)
    for name in ROUTED:
        torch.testing.assert_close(baked[name], merged[name].mean(0), rtol=1e-6, atol=1e-6)
    assert torch.equal(baked[LONE[0]], make_branches(make_base(torch.float64))["law"][LONE[0]])
    assert baked["encoder.1.num_batches_tracked"] == 2


def test_routing_is_what_the_strategy_takes_whatever_mode_the_model_is_in() -> None:
    model, query = make_model(("encoder.*",)).train(), torch.randn(1, 4)
    routing = model.export_routing(query)
    assert model.training
    assert routing["groups"] == "encoder.*"
    weights = model.eval().compute_weights(query)
    assert {group: [math.exp(one) for one in row] for group, row in routing["logits"].items()} == {
        group: pytest.approx(row[0].tolist()) for group, row in weights.items()
    }
    base = make_base()
    merged = merge_state_dicts("smear", list(make_branches(base).values()), base.state_dict(), **routing)
    assert all(torch.equal(merged[name], one) for name, one in model.bake(query).items())


def test_an_expert_that_never_counts_has_a_logit_all_the_same() -> None:
    model, query = make_model(), torch.randn(2, 4)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("vector_norm.weight"):
                parameter.fill_(1e6)
    assert model.bake(query).keys() == make_base().state_dict().keys()


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, rows: Tensor) -> Tensor:
        found: Tensor = self.head(self.embed(rows))
        return found


def test_tied_parameters_are_routed_together() -> None:
    base = Tied().eval()
    branches = {name: {"embed.weight": torch.randn(3, 3)} for name in "ab"}
    whole = {name: {**one, "head.weight": one["embed.weight"]} for name, one in branches.items()}
    model, query = SmearModel.from_branches(base, whole, features=2).eval(), torch.randn(2, 2)
    assert model.groups == ("embed",)
    baked = model.bake(query)
    assert torch.equal(baked["head.weight"], baked["embed.weight"])
    lone = SmearModel.from_branches(base, branches, features=2).eval()
    lone.load_state_dict(model.state_dict())
    assert torch.equal(lone(query, torch.ones(2, 3)), model(query, torch.ones(2, 3)))
    assert lone.bake(query).keys() == {"embed.weight"}
    whole["b"]["head.weight"] = torch.ones(3, 3)
    with pytest.raises(UsageError, match=r"head\.weight is not embed\.weight in b, and one parameter in the model"):
        SmearModel.from_branches(base, whole, features=2)


Branches = dict[str, dict[str, Tensor]]


def reshape_one(branches: Branches) -> None:
    branches["code"]["head.weight"] = torch.ones(4, 8)


def cast_one(branches: Branches) -> None:
    branches["code"]["head.bias"] = branches["code"]["head.bias"].half()


def drop_one(branches: Branches) -> None:
    del branches["law"]["encoder.0.bias"]


def add_one(branches: Branches) -> None:
    branches["law"]["other.bias"] = torch.ones(1)


def keep_one_expert(branches: Branches) -> None:
    del branches["law"], branches["code"]


def make_alike(branches: Branches) -> None:
    branches |= dict.fromkeys(branches, branches["law"])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (reshape_one, r"head\.weight is float32 \[4, 8\] in code, and float32 \[3, 8\] in the base"),
        (cast_one, r"head\.bias is float16 \[3\] in code, and float32 \[3\] in the base"),
        (drop_one, r"law lacks encoder\.0\.bias, which the model has"),
        (add_one, r"law has other\.bias, which the model lacks"),
        (keep_one_expert, "smear merges at least 2 heads, not 1"),
        (make_alike, "no parameter was changed by two experts"),
    ],
)
def test_experts_that_do_not_fit_are_named(spoil: Callable[[Branches], None], message: str) -> None:
    base = make_base()
    branches = make_branches(base)
    spoil(branches)
    with pytest.raises(UsageError, match=message):
        SmearModel.from_branches(base, branches, features=4)


def test_a_group_that_a_command_line_could_not_spell_is_refused() -> None:
    base = make_base()
    with pytest.raises(UsageError, match=r"a group has a comma: 'encoder\.\*,head\.\*'"):
        SmearModel.from_branches(base, make_branches(base), ["encoder.*,head.*"], features=4)


def test_a_group_without_parameters_is_told_with_those_that_there_are() -> None:
    base = make_base()
    with pytest.raises(UsageError, match=r"is in the group 'decoder\.\*'") as caught:
        SmearModel.from_branches(base, make_branches(base), ["encoder.*", "decoder.*"], features=4)
    assert caught.value.hint == "Routed are: " + ", ".join(ROUTED)


def test_a_group_that_nothing_is_given_for_is_named() -> None:
    base = make_base()
    with pytest.raises(UsageError, match=r"features has nothing for the group 'head', only for 'encoder\.0'"):
        SmearModel.from_branches(base, make_branches(base), features={"encoder.0": 4})
    with pytest.raises(UsageError, match=r"the query has nothing for the group 'encoder\.0', only for nothing"):
        make_model()({}, torch.randn(1, FEATURES))


def test_what_no_strategy_computes_with_is_a_conflict_at_once() -> None:
    base = nn.Module()
    base.register_buffer("table", torch.zeros(2, dtype=torch.int64))
    branches = {name: {"table": torch.full((2,), number)} for number, name in enumerate(BRANCHES)}
    with pytest.raises(ConflictError, match="table"):
        SmearModel.from_branches(base, branches, features=4)


def test_fitting_says_what_is_wrong_and_leaves_the_model_in_evaluation() -> None:
    model = make_model()
    with pytest.raises(UsageError, match="there was no batch"):
        fit_router(model, [], nn.functional.mse_loss)
    bad = (torch.randn(1, 4), torch.full((1, FEATURES), math.nan), torch.zeros(1, 3))
    with pytest.raises(UsageError, match="the loss is nan"):
        fit_router(model, [bad], nn.functional.mse_loss)
    assert not model.training
