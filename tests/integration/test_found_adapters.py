"""A checkpoint into which somebody merged an adapter, added by plain git add: what is stored is the adapter."""

from __future__ import annotations

import pytest

from tests.chained_versions import MODEL, entry_at, manifest_at
from tests.sandbox import Sandbox, safetensors_bytes
from tests.updates.delta_samples import weights
from tests.updates.low_rank_samples import merge_factors

SHAPE = (384, 256)


def checkpoint(dtype: str, *, merged: bool) -> bytes:
    """Two matrices, into which an adapter may have been merged, and a vector."""
    made = {f"layer.{number}.weight": merge_factors(dtype, SHAPE, 4, number) for number in range(2)}
    tensors = {name: (dtype, SHAPE, each.new if merged else each.old) for name, each in made.items()}
    return safetensors_bytes({**tensors, "norm": (dtype, (2560,), weights(dtype, 2560, 7))})


def updates_at(sandbox: Sandbox, revision: str) -> dict[str, str]:
    manifest = manifest_at(sandbox, revision)
    return {part.name or "": part.storage.coding.update for part in manifest.parameters()}


@pytest.fixture
def tuned(sandbox: Sandbox) -> Sandbox:
    """A commit of the base; the merged checkpoint lies in the worktree."""
    sandbox.theta("track", "*.safetensors")
    sandbox.write(MODEL, checkpoint("BF16", merged=False))
    sandbox.commit("base")
    sandbox.write(MODEL, checkpoint("BF16", merged=True))
    return sandbox


def test_it_is_stored_as_the_adapter_and_comes_back(tuned: Sandbox) -> None:
    tuned.commit("merged")
    assert updates_at(tuned, "HEAD") == {"layer.0.weight": "low-rank", "layer.1.weight": "low-rank", "norm": "dense"}
    storage = entry_at(tuned, "HEAD", "layer.0.weight").storage
    assert storage.coding.options["rank"] == 4
    assert storage.place.size < 2 * SHAPE[0] * SHAPE[1] / 8
    assert tuned.git("status", "--porcelain").stdout == ""
    tuned.git("checkout", "--quiet", "HEAD~1")
    assert tuned.read(MODEL) == checkpoint("BF16", merged=False)
    tuned.git("checkout", "--quiet", "-")
    assert tuned.read(MODEL) == checkpoint("BF16", merged=True)
    assert "missing" not in tuned.theta("fsck").stdout


@pytest.mark.parametrize(("budget", "update"), [("0", "delta"), ("1000", "low-rank")])
def test_a_budget_decides_whether_it_is_looked_for(tuned: Sandbox, budget: str, update: str) -> None:
    tuned.git("config", "theta.updates.budget", budget)
    tuned.commit("merged")
    assert updates_at(tuned, "HEAD") == {"layer.0.weight": update, "layer.1.weight": update, "norm": "dense"}
    tuned.git("checkout", "--quiet", "HEAD~1")
    tuned.git("checkout", "--quiet", "-")
    assert tuned.read(MODEL) == checkpoint("BF16", merged=True)


def test_l2_a_second_look_stores_nothing(tuned: Sandbox) -> None:
    tuned.git("add", MODEL)
    blob = tuned.git("rev-parse", f":{MODEL}").stdout
    for file in (tuned.root / ".git/theta").glob("state.sqlite*"):
        file.unlink()
    tuned.write(MODEL, checkpoint("BF16", merged=True))
    tuned.git("add", MODEL)
    assert tuned.git("rev-parse", f":{MODEL}").stdout == blob


@pytest.mark.parametrize(("setting", "wanted"), [("delta", "delta"), ("delta,low-rank", "delta"), ("dense", "dense")])
def test_who_asks_for_other_updates_gets_them(tuned: Sandbox, setting: str, wanted: str) -> None:
    tuned.git("config", "theta.updates", setting)
    tuned.commit("merged")
    assert updates_at(tuned, "HEAD")["layer.0.weight"] == wanted


def test_repack_finds_what_was_stored_otherwise(tuned: Sandbox) -> None:
    tuned.git("config", "theta.updates", "dense")
    tuned.commit("merged")
    tuned.git("config", "--unset", "theta.updates")
    tuned.theta("repack", MODEL)
    tuned.git("commit", "--quiet", "-m", "repacked")
    assert updates_at(tuned, "HEAD")["layer.0.weight"] == "low-rank"
    assert tuned.git("status", "--porcelain").stdout == ""


def test_the_next_version_builds_on_the_base_again(tuned: Sandbox) -> None:
    """At the cap, what comes next builds on the chain's first; with room, on the merged version."""
    tuned.commit("merged")
    other = {f"layer.{number}.weight": merge_factors("BF16", SHAPE, 4, number, size=0.05) for number in range(2)}
    content = safetensors_bytes({name: ("BF16", SHAPE, each.new) for name, each in other.items()})
    for depth in ("1", "4"):
        tuned.git("config", "theta.delta.depth", depth)
        tuned.write(MODEL, content)
        tuned.commit(f"depth {depth}")
        assert len(entry_at(tuned, "HEAD", "layer.0.weight").storage.coding.chain) <= int(depth)
        tuned.git("checkout", "--quiet", "HEAD~1")
        tuned.git("checkout", "--quiet", "-")
        assert tuned.read(MODEL) == content
        tuned.git("reset", "--quiet", "--hard", "HEAD~1")


def test_git_theta_show_says_so(tuned: Sandbox) -> None:
    tuned.commit("merged")
    assert "low-rank" in tuned.theta("show", f"HEAD:{MODEL}", "--parameters").stdout
