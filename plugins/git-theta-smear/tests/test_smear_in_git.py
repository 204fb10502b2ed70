"""Real Git: experts are branches, and a merge of them by what routers export is their bake, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import git_theta as gt
import pytest
import torch
from safetensors.torch import save
from tests.installed_plugins import create_plugin_sandbox
from tests.sandbox import Sandbox
from torch import Tensor, nn

from git_theta_smear import SmearModel

FILE = "model.safetensors"
BRANCHES = ("main", "law", "code")


class Toy(nn.Module):
    """Layers of odd sizes, a norm with statistics, and a parameter that is in no module."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.second = nn.Linear(37, 101), nn.BatchNorm1d(101), nn.Linear(101, 7)
        self.scale = nn.Parameter(torch.tensor(1.0))


def change(tensors: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """All floats differ; the second layer's bias at the second branch alone."""
    torch.manual_seed(seed)
    return {
        name: one + torch.randn_like(one).abs()
        if one.is_floating_point() and (name != "second.bias" or seed == 1)
        else one + seed * (not one.is_floating_point())
        for name, one in tensors.items()
    }


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    return create_plugin_sandbox(tmp_path, monkeypatch, "*.safetensors")


def fork(sandbox: Sandbox, base: Mapping[str, Tensor]) -> None:
    """A branch per expert, from a commit that has the base."""
    sandbox.write(FILE, save(dict(base)))
    sandbox.commit("base")
    sandbox.git("tag", "base")
    for seed, branch in enumerate(BRANCHES):
        sandbox.git("switch", "-q", "-C", branch, "base")
        sandbox.write(FILE, save(change(base, seed)))
        sandbox.commit(branch)
    sandbox.git("switch", "-q", "main")


@pytest.mark.parametrize("groups", [[], ["*"], ["first.*", "[!f]*.weight"]], ids=len)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_merge_is_the_bake(sandbox: Sandbox, dtype: torch.dtype, groups: Sequence[str]) -> None:
    torch.manual_seed(9)
    base = Toy().to(dtype)
    fork(sandbox, base.state_dict())
    branches = {branch: gt.load(FILE, rev=branch, repo=sandbox.root, framework="torch") for branch in BRANCHES}
    model = SmearModel.from_branches(base, branches, groups, features=5)
    for router in model.routers:
        nn.init.normal_(router.get_parameter("vector_norm.weight"))
    query = torch.randn(20, 5)
    routing = {
        name: one if isinstance(one, str) else json.dumps(one) for name, one in model.export_routing(query).items()
    }
    options = [part for name, one in routing.items() for part in ("-o", f"{name}={one}")]
    sandbox.theta("merge", "law", "code", "-s", "smear", *options)
    assert sandbox.read(FILE) == save(model.bake(query))
