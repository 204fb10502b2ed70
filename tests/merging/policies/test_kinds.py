"""Tensors that are no weights: what tells them, and what becomes of them with every strategy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from git_theta import known_plugins, merge_state_dicts, merge_tensors
from git_theta.errors import ConflictError, UsageError
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.policies.kinds import KINDS, find_kind
from git_theta.merging.policies.policy import Policy, parse_glob_rule
from git_theta.merging.policies.policy_file import parse_policy
from git_theta.tensors.torch_library import TorchLibrary
from tests.merging.strategies.cases import contest, merge

COMPUTING = [name for name in known_plugins.BUILT_IN["merges"] if load_strategy(name).numeric]
Tensors = dict[str, torch.Tensor]


def options_of(strategy: str) -> dict[str, Any]:
    return {"scores": [1.0, 2.0]} if strategy == "smear" else {}


@pytest.mark.parametrize(
    ("name", "dtype", "kind"),
    [
        ("bn.num_batches_tracked", "I64", "counter"),
        ("state.0.step", "F32", "counter"),
        ("global_step", "I64", "counter"),
        ("model_ema.num_updates", "I32", "counter"),
        ("n_averaged", "I64", "counter"),
        ("bn.running_mean", "F32", "statistic"),
        ("running_var", "BF16", "statistic"),
        ("block/BatchNorm/moving_variance", "F32", "statistic"),
        ("optimizer.state.0.exp_avg", "BF16", "moment"),
        ("optimizer.exp_avg_sq.decoder.weight", "F32", "moment"),
        ("state.3.max_exp_avg_sq", "F32", "moment"),
        ("state.3.sum", "F32", "moment"),
        ("layers.batch_normalization_1.vars.3", "F32", "statistic"),
        ("model_weights.bn.moving_variance:0", "F32", "statistic"),
        ("batch_stats.BatchNorm_0.var", "F32", "statistic"),
        ("optimizer.vars.0", "I32", "counter"),
        ("optimizer.vars.2", "F32", "moment"),
        ("optimizer_weights.adam.sequential_dense_kernel_velocity", "F32", "moment"),
        ("opt_state.0.nu.Dense_0.kernel", "F32", "moment"),
        ("opt_state.0.count", "I32", "counter"),
        ("layers.dense.vars.0", "F32", None),
        ("embeddings.position_ids", "I64", "constant"),
        ("h.0.attn.bias", "U8", "constant"),
        ("rotary.inv_freq", "F32", "constant"),
        ("h.0.attn.bias", "F32", None),
        ("mask_token", "F32", None),
        ("bn.running_mean", "I64", None),
        ("stepper.weight", "F32", None),
        ("exp_average", "F32", None),
        ("bn.running_var", "Q4_K", None),
    ],
)
def test_a_kind_is_told_by_name_and_dtype(name: str, dtype: str, kind: str | None) -> None:
    found = find_kind([name], dtype)
    assert (found and found.name) == kind


def batch_norm(seed: int, batches: int) -> Tensors:
    """Trained for a while: variances near zero, so that whatever extrapolates makes them negative."""
    generator = torch.Generator().manual_seed(seed)
    norm = torch.nn.BatchNorm1d(8)
    for _ in range(batches):
        norm(torch.randn(16, 8, generator=generator) * (0.01 if seed else 1.0))
    return norm.state_dict() | {"weight": torch.randn(8, generator=generator)}


@pytest.mark.parametrize("strategy", COMPUTING)
def test_batch_norm_merges_without_conflict_and_without_negative_variance(strategy: str) -> None:
    base, ours, theirs = batch_norm(0, 3), batch_norm(1, 60), batch_norm(2, 70)
    merged = merge_state_dicts(strategy, [ours, theirs], base, **options_of(strategy))
    assert merged["num_batches_tracked"] == 70
    for name in ("running_mean", "running_var"):
        assert torch.equal(merged[name], (ours[name] + theirs[name]) / 2)
    assert bool((merged["running_var"] >= 0).all())


def test_without_kinds_task_arithmetic_makes_variances_negative() -> None:
    base, ours, theirs = batch_norm(0, 3), batch_norm(1, 60), batch_norm(2, 70)
    floats = [{"running_var": one["running_var"]} for one in (ours, theirs, base)]
    merged = merge_state_dicts("task-arithmetic", floats[:2], floats[2], by_kind=False)
    assert bool((merged["running_var"] < 0).any())
    with pytest.raises(ConflictError, match="num_batches_tracked: average computes with numbers"):
        merge_tensors(
            "average",
            [one["num_batches_tracked"] for one in (ours, theirs)],
            base["num_batches_tracked"],
            name="num_batches_tracked",
            by_kind=False,
        )


@pytest.mark.parametrize("strategy", COMPUTING)
def test_adam_merges(strategy: str) -> None:
    def state(seed: int) -> Tensors:
        torch.manual_seed(seed)
        weight = torch.nn.Parameter(torch.randn(6))
        adam = torch.optim.Adam([weight], amsgrad=True)
        for _ in range(seed + 1):
            weight.grad = torch.randn(6) / 100
            adam.step()
        return {f"state.0.{name}": value for name, value in adam.state_dict()["state"][0].items()}

    base, ours, theirs = state(0), state(5), state(3)
    merged = merge_state_dicts(strategy, [ours, theirs], base, **options_of(strategy))
    assert merged["state.0.step"] == 6
    for name in ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"):
        assert torch.equal(merged[f"state.0.{name}"], (ours[f"state.0.{name}"] + theirs[f"state.0.{name}"]) / 2)


def test_weights_count_as_given_and_negative_ones_as_none() -> None:
    values = [torch.tensor([1.0]), torch.tensor([4.0])]

    def merged(weights: list[float], strategy: str = "task-arithmetic", **rest: Any) -> float:
        return float(
            merge_tensors(strategy, values, torch.tensor([0.0]), weights or None, name="bn.running_var", **rest)
        )

    assert merged([2.0, 1.0]) == 2.0
    assert merged([1.0, -1.0]) == 1.0
    assert merged([-1.0, -1.0]) == 2.5
    assert merged([3.0, -1.0], "weighted") == 1.0
    assert merged([], "slerp", t=0.25) == 1.75


def test_constants_have_to_be_equal() -> None:
    base, ours, theirs = torch.arange(4), torch.arange(5), torch.arange(6)
    assert torch.equal(merge_tensors("ties", [base, ours], base, name="position_ids"), ours)
    with pytest.raises(ConflictError, match="position_ids: a constant: no strategy computes with it"):
        merge_tensors("average", [ours, theirs], base, name="position_ids")
    assert torch.equal(merge_tensors("theirs", [ours, theirs], base, name="position_ids"), theirs)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int8, torch.uint8, torch.bool, torch.uint64])
def test_l9_the_largest_of_integers_is_the_same_by_any_library_and_in_any_pieces(dtype: torch.dtype) -> None:
    heads = [torch.from_numpy(np.random.default_rng(seed).integers(0, 100, 50)).to(dtype) for seed in range(3)]
    asked = contest("largest", heads, chunk=7)
    expected = np.maximum.reduce([head.numpy() for head in heads])
    assert np.array_equal(merge("largest", asked).numpy(), expected)
    asked = contest("largest", heads, library=TorchLibrary())
    assert np.array_equal(merge("largest", asked).numpy(), expected)


def test_the_largest_keeps_what_an_int64_holds_and_no_float_does() -> None:
    heads = [torch.tensor([2**53 + 1]), torch.tensor([2**53])]
    assert merge_tensors("largest", heads, torch.tensor([0])) == 2**53 + 1


def test_the_largest_beside_a_nan_is_nan() -> None:
    nan = torch.tensor([float("nan"), 1.0])
    for heads in ([nan, torch.ones(2)], [torch.ones(2), nan], [nan, nan + 1]):
        assert merge_tensors("largest", heads, torch.zeros(2), name="w").isnan().tolist() == [True, False]


def test_a_rule_for_a_kind_is_for_that_kind_alone() -> None:
    policy = Policy([parse_glob_rule("statistic:encoder.*=ours"), parse_glob_rule("*=ties")])
    found = policy.choose("m.pt", "encoder.running_mean", kind="statistic")
    assert found
    assert (found.strategy, found.for_kind) == ("ours", True)
    for name, kind in (
        ("encoder.running_mean", ""),
        ("decoder.running_mean", "statistic"),
        ("encoder.step", "counter"),
    ):
        other = policy.choose("m.pt", name, kind=kind)
        assert other
        assert (other.strategy, other.for_kind) == ("ties", False)


def test_a_rule_of_the_policy_file_may_name_kinds() -> None:
    policy = Policy(parse_policy(b'[[merge]]\nkind = ["moment", "counter"]\nstrategy = "theirs"\n'))
    assert policy.choose("m.pt", "x", kind="moment")
    assert policy.choose("m.pt", "x", kind="statistic") is None
    assert policy.choose("m.pt", "x") is None
    with pytest.raises(UsageError, match="rule 1: no kind of tensors is called 'moments'"):
        parse_policy(b'[[merge]]\nkind = "moments"\nstrategy = "theirs"\n')


def test_a_name_with_a_colon_is_still_a_glob() -> None:
    rule = parse_glob_rule("bn/gamma:0=ours")
    assert (rule.parameters, rule.kinds) == (("bn/gamma:0",), ())
    assert set(KINDS) == {"counter", "statistic", "moment", "constant"}
