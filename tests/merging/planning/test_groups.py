"""Parameters that mean something only together: contested together, taken together, computed with by nobody."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch

from git_theta import merge_state_dicts
from git_theta.errors import ConflictError
from git_theta.manifest.model import Coding, Entry, Manifest, Place, Storage
from git_theta.merging.planning.decisions import DecisionState
from git_theta.merging.planning.groups import find_groups, pair_factors
from git_theta.merging.planning.plan import Plan, plan_merge, settle_contested
from git_theta.merging.planning.plan_json import plan_json
from git_theta.merging.planning.plan_rendering import explain_decision, render_plan
from git_theta.merging.policies.policy import Choice
from git_theta.merging.policies.treatments import treat_decision

GROUPS = {
    "fp8": {"l.weight": "F8_E4M3", "l.weight_scale": "F32"},
    "fp8 by blocks": {"l.weight": "F8_E4M3", "l.weight_scale_inv": "F32", "l.input_scale": "F32"},
    "fp8 at the top": {"weight": "F8_E5M2", "weight_scale": "F32"},
    "fp8 of ComfyUI": {"l.weight": "F8_E4M3", "l.scale_weight": "F32"},
    "experts": {"m.gate_up_proj": "F8_E4M3", "m.gate_up_proj_scale_inv": "F32"},
    "compressed-tensors": {"l.weight_packed": "I32", "l.weight_scale": "BF16", "l.weight_shape": "I64"},
    "int8": {"l.weight": "I8", "l.SCB": "F32"},
    "NVFP4": {"l.weight": "U8", "l.weight_scale": "F8_E4M3", "l.weight_scale_2": "F32"},
    "GPTQ": {"l.qweight": "I32", "l.qzeros": "I32", "l.scales": "F16", "l.g_idx": "I32"},
    "AWQ": {"l.qweight": "I32", "l.qzeros": "I32", "l.scales": "F16"},
    "bitsandbytes": {
        "l.weight": "U8",
        "l.weight.absmax": "U8",
        "l.weight.quant_map": "F32",
        "l.weight.nested_absmax": "F32",
        "l.weight.nested_quant_map": "F32",
        "l.weight.quant_state.bitsandbytes__nf4": "U8",
    },
    "bitsandbytes in bf16": {"l.weight": "BF16", "l.weight.absmax": "F32", "l.weight.quant_map": "F32"},
    "8-bit Adam": {"state.0.state1": "U8", "state.0.qmap1": "F32", "state.0.absmax1": "F32"},
    "MX": {"m.down_proj_blocks": "U8", "m.down_proj_scales": "U8"},
    "sparse COO": {"s.indices": "I64", "s.values": "F32"},
    "sparse CSR": {"s.compressed_indices": "I64", "s.plain_indices": "I64", "s.values": "F32"},
    "sparse CSR by other names": {"s.crow_indices": "I64", "s.col_indices": "I64", "s.values": "F32"},
    "torch by channels": {"w": "QINT8", "w.scales": "F64", "w.zero_points": "I64"},
    "quanto": {"l.weight._data": "I8", "l.weight._scale": "BF16"},
    "an adapter": {"l.lora_A.weight": "F32", "l.lora_B.weight": "F32"},
    "a named adapter": {"l.lora_A.default.weight": "F32", "l.lora_B.default.weight": "F32"},
    "an adapter of kohya": {"l.lora_down.weight": "F16", "l.lora_up.weight": "F16"},
}
ALONE = {
    "a scale of weights": {"l.weight": "BF16", "l.weight_scale": "F32"},
    "scales without codes": {"l.scales": "F32"},
    "values without indices": {"attention.values": "F32", "attention.keys": "F32"},
    "half an adapter": {"l.lora_A.weight": "F32"},
    "weight and bias": {"l.weight": "F8_E4M3", "l.bias": "BF16"},
}


@pytest.mark.parametrize("which", GROUPS)
def test_a_group_is_told_by_names_and_dtypes(which: str) -> None:
    others = {"other.weight": "F32", "l.bias": "F32"}
    found = [set(one.names) for one in find_groups([others, others | GROUPS[which]], str)]
    assert set().union(*found) == set(GROUPS[which])


@pytest.mark.parametrize("which", ALONE)
def test_what_is_called_alike_and_means_something_alone_is_no_group(which: str) -> None:
    assert not list(find_groups([ALONE[which]], str))


def test_factors_know_each_other() -> None:
    pair = ("m.q.lora_A.default.weight", "m.q.lora_B.default.weight")
    assert pair_factors(pair[0]) == pair_factors(pair[1]) == pair
    assert pair_factors("m.q.weight") is None


def manifest(dtypes: Mapping[str, str], **versions: int) -> Manifest:
    """Parameters of these dtypes: each of the version that is said for what its name ends with, else of version 0."""
    entries = []
    for name, dtype in dtypes.items():
        oid = f"{sum(map(ord, name)):060x}{versions.get(name.split('.')[-1], 0):04x}"
        entries.append(Entry(oid, 4, Storage(Coding("dense", "raw"), Place(oid, 4)), name, dtype, (4,)))
    return Manifest("safetensors", 100, tuple(entries))


def planned(ours: Mapping[str, int], theirs: Mapping[str, int], which: str = "GPTQ") -> Plan:
    dtypes = GROUPS[which] | {"l.bias": "F32"}
    return plan_merge(manifest(dtypes), [manifest(dtypes, **ours), manifest(dtypes, **theirs)])


def test_what_each_side_changed_of_a_group_is_contested_together() -> None:
    made = planned({"qweight": 1}, {"scales": 2, "bias": 3})
    (decision,) = made.contested
    assert set(decision.names) == set(GROUPS["GPTQ"])
    assert decision.state is DecisionState.CONTESTED
    assert "codes and scales: together" in explain_decision(made, decision)
    assert "l.qweight, l.qzeros, l.scales, l.g_idx" in render_plan(made)
    layout = {place.name: place.source for place in settle_contested(made, {decision.name: 1}).layout}
    assert layout == dict.fromkeys([*GROUPS["GPTQ"], "l.bias"], 1)


def test_a_group_that_one_side_changed_is_taken_from_it() -> None:
    made = planned({"bias": 1}, {"qweight": 2, "scales": 2})
    assert not made.contested
    assert {place.name: place.source for place in made.layout} == dict.fromkeys(GROUPS["GPTQ"], 1) | {"l.bias": 0}


def test_a_group_that_lost_a_member_is_contested() -> None:
    dtypes = GROUPS["GPTQ"]
    less = {name: dtype for name, dtype in dtypes.items() if name != "l.g_idx"}
    made = plan_merge(manifest(dtypes), [manifest(less, qweight=1), manifest(dtypes, qweight=2)])
    (decision,) = made.contested
    assert decision.state is DecisionState.SPEC_CHANGED
    assert [place.name for place in settle_contested(made, {decision.name: 0}).layout] == list(less)


@pytest.mark.parametrize("which", [which for which in GROUPS if "adapter" not in which])
def test_no_strategy_computes_with_a_group_and_says_why(which: str) -> None:
    *_, last = GROUPS[which]
    made = planned({last.split(".")[-1]: 1}, {last.split(".")[-1]: 2}, which)
    (decision,) = made.contested
    treated = treat_decision(decision, Choice("average", {}, "-s"))
    assert treated.choice is None
    assert "mean nothing without" in treated.reason
    side = Choice("theirs", {}, "-s")
    assert treat_decision(decision, side).choice == side
    [told] = [one for one in plan_json(made, lambda _: Choice("ties", {}, "-s"))["parameters"] if one["take"] is None]
    assert (told["strategy"], told["kind"], set(told["names"])) == (None, None, set(GROUPS[which]))


def quantised(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, 100, (4,), generator=generator, dtype=torch.int32)
    return {"l.qweight": codes, "l.scales": torch.randn(4, generator=generator), "l.bias": torch.full((4,), seed * 1.0)}


def test_state_dicts_take_groups_from_one_side() -> None:
    base, ours, theirs = quantised(0), quantised(1), quantised(2)
    ours["l.scales"] = base["l.scales"]
    for strategy, side in (("ours", ours), ("theirs", theirs), ("base", base)):
        merged = merge_state_dicts(strategy, [ours, theirs], base)
        assert all(torch.equal(merged[name], side[name]) for name in ("l.qweight", "l.scales"))
    with pytest.raises(ConflictError, match="qweight: codes mean nothing without the scales") as caught:
        merge_state_dicts("average", [ours, theirs], base)
    assert "l.scales: codes mean nothing" in str(caught.value)
    one_sided = merge_state_dicts("average", [ours | {"l.qweight": base["l.qweight"]}, theirs], base)
    assert torch.equal(one_sided["l.qweight"], theirs["l.qweight"])
    assert torch.equal(one_sided["l.scales"], theirs["l.scales"])
    assert one_sided["l.bias"].tolist() == [1.5] * 4
    apart = merge_state_dicts("theirs", [ours, theirs], base, by_kind=False)
    assert torch.equal(apart["l.scales"], theirs["l.scales"])
