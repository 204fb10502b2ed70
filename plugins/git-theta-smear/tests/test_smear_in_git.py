"""Real Git: experts are branches, and a merge of them by what routers export is their bake, bit for bit."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import git_theta as gt
import pytest
import torch
from safetensors.torch import save
from tests.installed_plugins import create_plugin_sandbox
from tests.sandbox import Sandbox
from torch import Tensor, nn

from git_theta_smear import SmearModel

BRANCHES = ("main", "law", "code")


class Toy(nn.Module):
    """Layers of odd sizes, a norm with statistics, and a parameter that is in no module."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.second = nn.Linear(37, 101), nn.BatchNorm1d(101), nn.Linear(101, 7)
        self.scale = nn.Parameter(torch.tensor(1.0))


class Tied(nn.Module):
    """An embedding that is the weight of the head, too."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(11, 5), nn.Linear(5, 11)
        self.head.weight = self.embed.weight


def tune(base: nn.Module, seed: int) -> nn.Module:
    """Everything in it differs; the second layer's bias at the second branch alone."""
    torch.manual_seed(seed)
    expert = deepcopy(base)
    for name, one in expert.state_dict().items():
        if not one.is_floating_point():
            one += seed
        elif name != "second.bias" or seed == 1:
            one += torch.randn_like(one).abs()
    return expert


def dump(model: nn.Module, file: str) -> bytes:
    if file.endswith(".safetensors"):
        return save(model.state_dict())
    written = io.BytesIO()
    torch.save(model.state_dict(), written)
    return written.getvalue()


def fork(sandbox: Sandbox, file: str, base: nn.Module) -> dict[str, dict[str, Tensor]]:
    """A branch per expert, from a commit that has the base; and what is on each."""
    sandbox.write(file, dump(base, file))
    sandbox.commit("base")
    sandbox.git("tag", "base")
    for seed, branch in enumerate(BRANCHES):
        sandbox.git("switch", "-q", "-C", branch, "base")
        sandbox.write(file, dump(tune(base, seed), file))
        sandbox.commit(branch)
    sandbox.git("switch", "-q", "main")
    return {branch: gt.load(file, rev=branch, repo=sandbox.root, framework="torch") for branch in BRANCHES}


def merge_by_routers(sandbox: Sandbox, file: str, base: nn.Module, groups: Sequence[str]) -> dict[str, Tensor]:
    """Have ``git theta merge`` do what routers say; the bake of it."""
    model = SmearModel.from_branches(base, fork(sandbox, file, base), groups, features=5)
    for router in model.routers:
        nn.init.normal_(router.get_parameter("vector_norm.weight"))
    query = torch.randn(20, 5)
    routing = {
        name: one if isinstance(one, str) else json.dumps(one) for name, one in model.export_routing(query).items()
    }
    options = [part for name, one in routing.items() for part in ("-o", f"{name}={one}")]
    sandbox.theta("merge", "law", "code", "-s", "smear", *options)
    return model.bake(query)


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    return create_plugin_sandbox(tmp_path, monkeypatch, "*.safetensors", "*.pt")


@pytest.mark.parametrize("groups", [[], ["*"], ["first.*", "[!f]*.weight"]], ids=len)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_merge_is_the_bake(sandbox: Sandbox, dtype: torch.dtype, groups: Sequence[str]) -> None:
    torch.manual_seed(9)
    baked = merge_by_routers(sandbox, "model.safetensors", Toy().to(dtype), groups)
    assert sandbox.read("model.safetensors") == save(baked)
    assert any(one.dtype == dtype for one in baked.values())


def test_tied_parameters_are_merged_as_one(sandbox: Sandbox) -> None:
    baked = merge_by_routers(sandbox, "model.pt", Tied(), [])
    merged = torch.load(sandbox.root / "model.pt")
    assert merged.keys() == baked.keys()
    assert all(torch.equal(merged[name], one) for name, one in baked.items())
    assert merged["head.weight"].data_ptr() == merged["embed.weight"].data_ptr()
