"""Tensors that are no weights, and tensors that mean nothing apart, merged by real Git."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

from git_theta import merge_state_dicts
from tests.merging.strategies.cases import same_bytes
from tests.sandbox import Sandbox
from tests.two_branches import fork

FILE = "train.pt"
COMPUTING = ("average", "task-arithmetic", "ties", "dare", "breadcrumbs", "slerp", "model-stock")


def saved(value: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def loaded(sandbox: Sandbox, path: str = FILE) -> Any:
    return torch.load(sandbox.root / path)


def trained(seed: int, scale: float, steps: int) -> bytes:
    """A checkpoint of a training: BatchNorm and Adam, after so many steps."""
    torch.manual_seed(seed)
    net = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.BatchNorm1d(6))
    adam = torch.optim.Adam(net.parameters())
    for _ in range(steps):
        adam.zero_grad()
        net(torch.randn(8, 4) * scale).square().sum().backward()
        adam.step()
    return saved({"model": net.state_dict(), "optimizer": {"state": adam.state_dict()["state"]}})


BASE, OURS, THEIRS = trained(0, 1.0, 2), trained(1, 0.01, 50), trained(2, 0.01, 80)


@pytest.mark.parametrize("strategy", COMPUTING)
def test_a_training_checkpoint_merges_with_every_strategy(sandbox: Sandbox, strategy: str, tmp_path: Path) -> None:
    fork(sandbox, {FILE: BASE}, {FILE: OURS}, {FILE: THEIRS})
    report = tmp_path / "report.json"
    done = sandbox.theta("merge", "-s", strategy, "side", "--report", str(report))
    merged = loaded(sandbox)
    assert merged["model"]["1.num_batches_tracked"] == 80
    assert bool((merged["model"]["1.running_var"] >= 0).all())
    for state in merged["optimizer"]["state"].values():
        assert state["step"] == 80
        assert bool((state["exp_avg_sq"] >= 0).all())
    ours, theirs = (torch.load(io.BytesIO(one))["model"]["1.running_mean"] for one in (OURS, THEIRS))
    assert torch.equal(merged["model"]["1.running_mean"], (ours + theirs) / 2)
    assert "5 counters: the largest of each element" in done.stderr
    told = {item["name"]: item for item in json.loads(report.read_text())["files"][0]["parameters"]}
    step = told["optimizer.state.0.step"]
    assert (step["kind"], step["strategy"]["name"]) == ("counter", "largest")
    assert told["model.0.weight"]["kind"] is None


def test_the_plan_says_what_becomes_of_kinds(sandbox: Sandbox) -> None:
    fork(sandbox, {FILE: BASE}, {FILE: OURS}, {FILE: THEIRS})
    plan = sandbox.theta("merge", "--plan", "-s", "ties", "side").stdout
    assert "largest (counter, where -s says ties)" in plan
    assert "weighted (statistic, where -s says ties)" in plan
    data = json.loads(sandbox.theta("merge", "--plan", "--json", "-s", "ties", "side").stdout)
    kinds = {item["name"]: item.get("kind") for item in data["files"][0]["plan"]["parameters"]}
    assert kinds["model.1.running_var"] == "statistic"
    assert kinds["optimizer.state.0.exp_avg"] == "moment"


def test_what_heads_changed_is_the_same_for_all_strategies(sandbox: Sandbox) -> None:
    """A mean is what becomes of statistics in any case: they are no weights for `average` either."""
    fork(sandbox, {FILE: BASE}, {FILE: OURS}, {FILE: THEIRS})
    told = []
    for strategy in ("ties", "average", "weighted"):
        done = sandbox.theta("merge", "--plan", "--json", "-s", strategy, "side")
        (file,) = json.loads(done.stdout)["files"]
        told.append([file["plan"]["changes"][name] for name in ("parameters", "cosine", "sign_conflicts")])
    assert told[0] == told[1] == told[2]


def test_a_policy_overrides_what_is_done_with_a_kind(sandbox: Sandbox) -> None:
    fork(sandbox, {FILE: BASE}, {FILE: OURS}, {FILE: THEIRS})
    sandbox.write(".theta.toml", b'[[merge]]\nkind = "moment"\nstrategy = "theirs"\n')
    sandbox.commit("policy")
    sandbox.theta("merge", "--for", "counter:*=ours", "--for", "*=average", "side", check=False)
    assert loaded(sandbox)["model"]["1.num_batches_tracked"] == 50
    sandbox.git("reset", "-q", "--hard", "HEAD^" if not (sandbox.root / ".git/MERGE_HEAD").exists() else "HEAD")
    sandbox.git("merge", "-q", "--no-edit", "side", check=False, env={"GIT_THETA_STRATEGY": "average"})
    theirs = torch.load(io.BytesIO(THEIRS))["optimizer"]["state"][0]["exp_avg"]
    assert torch.equal(loaded(sandbox)["optimizer"]["state"][0]["exp_avg"], theirs)


def test_constants_that_differ_are_contested_with_the_reason(sandbox: Sandbox) -> None:
    base, ours, theirs = ({"position_ids": torch.arange(8) + shift, "w": torch.ones(8) * shift} for shift in range(3))
    fork(sandbox, {FILE: saved(base)}, {FILE: saved(ours)}, {FILE: saved(theirs)})
    done = sandbox.theta("merge", "-s", "average", "side", check=False)
    assert done.returncode == 1
    assert "position_ids (a constant: no strategy computes with it)" in done.stderr
    sandbox.theta("resolve", "--theirs")
    assert torch.equal(loaded(sandbox)["position_ids"], theirs["position_ids"])


def test_numbers_that_are_not_finite_are_told_before_they_spread(sandbox: Sandbox) -> None:
    base, ours, theirs = (torch.ones(8) * value for value in (1.0, 2.0, 3.0))
    theirs[3:5] = float("nan")
    fork(sandbox, *({FILE: saved({"w": one})} for one in (base, ours, theirs)))
    assert "    2 NaN or infinite numbers in theirs" in sandbox.theta("merge", "--plan", "-s", "ties", "side").stdout
    (file,) = json.loads(sandbox.theta("merge", "--plan", "--json", "-s", "ties", "side").stdout)["files"]
    assert file["plan"]["parameters"][0]["nonfinite"] == {"theirs": 2}
    assert "NaN" not in sandbox.theta("merge", "--plan", "-s", "ours", "side").stdout
    done = sandbox.theta("merge", "-s", "average", "--no-commit", "side")
    assert "train.pt: 2 NaN or infinite numbers in theirs: w" in done.stderr
    assert "train.pt: 2 NaN or infinite numbers in the merged tensors: w" in done.stderr


QUANTISED = "m.safetensors"


def gptq(codes: int, scales: float, bias: float) -> bytes:
    """A layer as GPTQ has it, and a bias, which is no member."""
    return save(
        {
            "l.qweight": torch.full((8, 8), codes, dtype=torch.int32),
            "l.scales": torch.full((8,), scales).half(),
            "l.bias": torch.full((8,), float(bias)),
        }
    )


def test_codes_and_scales_are_contested_and_taken_together(sandbox: Sandbox) -> None:
    """Each side changed another member: by names alone, a merge of ours with theirs would have settled it."""
    fork(sandbox, {QUANTISED: gptq(1, 1, 0)}, {QUANTISED: gptq(2, 1, 1)}, {QUANTISED: gptq(1, 2, 3)})
    done = sandbox.theta("merge", "-s", "average", "side", check=False)
    assert done.returncode == 1
    assert "codes mean nothing without the scales that they were made with: average does not compute" in done.stderr
    assert "l.qweight, l.scales" in done.stderr
    merged = load(sandbox.root.joinpath(QUANTISED).read_bytes())
    assert (int(merged["l.qweight"][0, 0]), float(merged["l.scales"][0])) == (2, 1)
    assert float(merged["l.bias"][0]) == 2.0
    assert "contested: l.qweight" in sandbox.theta("status").stdout
    sandbox.theta("resolve", "--theirs", "--only", "*.scales")
    merged = load(sandbox.root.joinpath(QUANTISED).read_bytes())
    assert (int(merged["l.qweight"][0, 0]), float(merged["l.scales"][0])) == (1, 2)
    assert float(merged["l.bias"][0]) == 2.0
    assert not sandbox.git("ls-files", "-u").stdout


def test_plain_git_merge_contests_a_group_of_which_each_side_changed_a_member(sandbox: Sandbox) -> None:
    fork(sandbox, {QUANTISED: gptq(1, 1, 0)}, {QUANTISED: gptq(2, 1, 0)}, {QUANTISED: gptq(1, 2, 0)})
    done = sandbox.git("merge", "--no-edit", "side", check=False)
    assert done.returncode == 1
    assert "1 contested parameter" in done.stderr
    plan = sandbox.theta("merge", "--plan", "-s", "ties", "side").stdout
    assert "contested: l.qweight, l.scales" in plan
    assert "conflict (codes mean nothing without the scales" in plan


def test_the_parts_of_a_sparse_tensor_stay_together(sandbox: Sandbox) -> None:
    def sparse(rows: list[int], values: list[float]) -> bytes:
        indices, floats = torch.tensor([rows, rows]), torch.tensor(values).float()
        return saved({"s": torch.sparse_coo_tensor(indices, floats, (4, 4), check_invariants=True)})

    versions = sparse([0, 1], [1, 1]), sparse([0, 2], [2, 2]), sparse([1, 3], [4, 4])
    fork(sandbox, *({FILE: one} for one in versions))
    done = sandbox.theta("merge", "-s", "average", "side", check=False)
    assert "values mean nothing without the indices" in done.stderr
    assert loaded(sandbox)["s"].to_dense().diag().tolist() == [2, 0, 2, 0]
    sandbox.theta("resolve", "--theirs")
    assert loaded(sandbox)["s"].to_dense().diag().tolist() == [0, 4, 0, 4]


A, B = "q.lora_A.weight", "q.lora_B.weight"
Adapter = dict[str, torch.Tensor]


def adapter(seed: int) -> Adapter:
    generator = torch.Generator().manual_seed(seed)
    return {A: torch.randn(4, 20, generator=generator), B: torch.randn(30, 4, generator=generator)}


def adapters(sandbox: Sandbox, ours: Adapter, theirs: Adapter) -> Adapter:
    """A fork of an adapter; the mean of the products that its two branches stand for, cut to the rank."""
    fork(sandbox, {QUANTISED: save(adapter(0))}, {QUANTISED: save(ours)}, {QUANTISED: save(theirs)})
    left, values, right = torch.linalg.svd((ours[B] @ ours[A] + theirs[B] @ theirs[A]) / 2, full_matrices=False)
    return {A: right[:4], B: left[:, :4] * values[:4]}


def worktree(sandbox: Sandbox) -> Adapter:
    return load(sandbox.root.joinpath(QUANTISED).read_bytes())


def test_an_adapter_is_merged_by_its_product(sandbox: Sandbox, tmp_path: Path) -> None:
    ours, theirs = adapter(1), adapter(2)
    wanted = adapters(sandbox, ours, theirs)
    report = tmp_path / "report.json"
    done = sandbox.theta("merge", "-s", "adapter-svd", "side", "--report", str(report))
    assert "not that of their products" not in done.stderr
    merged = worktree(sandbox)
    torch.testing.assert_close(merged[B] @ merged[A], wanted[B] @ wanted[A], atol=1e-4, rtol=0)
    assert all(same_bytes(merged[name], one) for name, one in merge_state_dicts("adapter-svd", [ours, theirs]).items())
    (told,) = json.loads(report.read_text())["files"][0]["parameters"]
    assert (told["names"], told["strategy"]["name"]) == ([A, B], "adapter-svd")
    assert 0 < told["facts"]["kept"] < 1
    assert "Theta-Merge: m.safetensors adapter-svd 1 contested of 1" in sandbox.git("log", "-1", "--format=%B").stdout


def test_an_average_of_the_factors_is_told_to_be_none_of_the_products(sandbox: Sandbox) -> None:
    ours, theirs = adapter(1), adapter(2)
    adapters(sandbox, ours, theirs)
    word = "average of each factor is not that of their products"
    assert word in sandbox.theta("merge", "--plan", "-s", "average", "side").stdout
    done = sandbox.theta("merge", "-s", "average", "side")
    assert "1 adapter: average of the factors A and B, each by itself, is not that of their products" in done.stderr
    merged = worktree(sandbox)
    assert torch.equal(merged[A], (ours[A] + theirs[A]) / 2)


def test_factors_of_which_each_side_trained_one_are_contested(sandbox: Sandbox) -> None:
    ours, theirs = adapter(0) | {A: adapter(1)[A]}, adapter(0) | {B: adapter(2)[B]}
    wanted = adapters(sandbox, ours, theirs)
    assert sandbox.git("merge", "--no-edit", "side", check=False).returncode == 1
    assert torch.equal(worktree(sandbox)[B], ours[B])
    sandbox.theta("resolve", "-s", "adapter-svd")
    merged = worktree(sandbox)
    torch.testing.assert_close(merged[B] @ merged[A], wanted[B] @ wanted[A], atol=1e-4, rtol=0)


def test_a_factor_that_one_side_trained_is_taken_where_the_other_is_averaged(sandbox: Sandbox) -> None:
    """By a strategy for weights: A of theirs alone, and the mean of B, as if they meant something alone."""
    ours, theirs = adapter(0) | {B: adapter(1)[B]}, adapter(2)
    adapters(sandbox, ours, theirs)
    sandbox.theta("merge", "-s", "average", "side")
    assert torch.equal(worktree(sandbox)[A], theirs[A])
    assert torch.equal(worktree(sandbox)[B], (ours[B] + theirs[B]) / 2)
