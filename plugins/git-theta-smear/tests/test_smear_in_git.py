"""Real Git: experts are branches, and a merge of them by what routers export is their bake, bit for bit."""

from __future__ import annotations

import io
import json
import re
import subprocess
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


@pytest.mark.parametrize(
    ("dtype", "groups"),
    [
        (torch.float32, []),
        (torch.bfloat16, []),
        (torch.bfloat16, ["*"]),
        (torch.float32, ["first.*", "[!f]*.weight"]),
    ],
    ids=str,
)
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


class Encoder(nn.Module):
    """What the page calls the reader's model."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.head = nn.Linear(12, 9), nn.Linear(9, 4)

    def forward(self, rows: Tensor) -> Tensor:
        found: Tensor = self.head(self.encoder(rows).relu())
        return found


def test_what_the_page_says_is_true(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[1] / "README.md").read_text()
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (training, baking), (_, typed) = [[text for kind, text in blocks if kind == wanted] for wanted in ("python", "")]
    torch.manual_seed(4)
    fork(sandbox, "model.safetensors", Encoder())
    monkeypatch.chdir(sandbox.root)
    query, rows = torch.randn(6, 768), torch.randn(6, 12)
    read = {"build": Encoder, "batches": lambda: [(query, rows, torch.arange(6) % 4)] * 3, "z": query, "inputs": rows}
    exec(training, read)
    exec(baking, read)
    assert read["outputs"].shape == (6, 4)  # type: ignore[attr-defined]
    subprocess.run(["bash", "-ec", typed], check=True)
    assert sandbox.read("model.safetensors") == save(read["baked"])  # type: ignore[arg-type]
    assert len(sandbox.git("log", "-1", "--format=%P").stdout.split()) == 3
