"""A version that came of an adapter is a version as any other: compared, merged, cloned, rebased, moved, collected."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.adapters import MODEL, array_file, status, values_of
from tests.chained_versions import entry_at
from tests.sandbox import Sandbox, model, track_and_commit

SHAPES: dict[str, int | tuple[int, ...]] = {"one.weight": (96, 64), "two.weight": (64, 64), "two.bias": 64}
BASE = model(3, **SHAPES)


def adapter(tmp_path: Path, name: str, *, seed: int = 0, rank: int = 2, dtype: str = "float32") -> Path:
    """A file of arrays that adds something of low rank to a weight."""
    generator, (rows, columns) = np.random.default_rng(seed), values_of(BASE)[name].shape
    down, up = (
        (0.05 * generator.standard_normal(shape, dtype=np.float32)).astype(dtype)
        for shape in ((rank, columns), (rows, rank))
    )
    file = tmp_path / f"{name}-{seed}-{dtype}.safetensors"
    file.write_bytes(array_file(**{f"{name}__A": down, f"{name}__B": up}))
    return file


def load(sandbox: Sandbox, file: Path, path: str = MODEL) -> bytes:
    """Side-load an adapter and commit that; the bytes that the file has then."""
    sandbox.theta("add", path, "--update", "low-rank", "--from", file)
    sandbox.git("commit", "--quiet", "-m", file.name)
    return sandbox.read(path)


@pytest.fixture
def loaded(sandbox: Sandbox, tmp_path: Path) -> Sandbox:
    """A base, and an adapter of its first weight on top."""
    track_and_commit(sandbox, {MODEL: BASE})
    load(sandbox, adapter(tmp_path, "one.weight"))
    return sandbox


def test_what_is_stored_is_the_adapter(loaded: Sandbox) -> None:
    entry = entry_at(loaded, name="one.weight")
    assert entry.storage.coding.update == "low-rank" and entry.storage.coding.options["rank"] == 2
    assert [link.oid for link in entry.storage.bases()] and entry.storage.place.size < entry.size / 4
    assert entry_at(loaded, name="two.weight") == entry_at(loaded, "HEAD^", name="two.weight")


def test_the_same_bytes_added_by_git_have_the_same_entry(loaded: Sandbox) -> None:
    """L2: storage is chosen once."""
    blob, content = loaded.git("rev-parse", f":{MODEL}").stdout, loaded.read(MODEL)
    loaded.git("checkout", "--quiet", "HEAD^", "--", MODEL)
    loaded.write(MODEL, content)
    loaded.git("add", MODEL)
    assert loaded.git("rev-parse", f":{MODEL}").stdout == blob


def test_an_adapter_on_an_adapter_is_as_small(loaded: Sandbox, tmp_path: Path) -> None:
    load(loaded, adapter(tmp_path, "one.weight", seed=1))
    first, second = entry_at(loaded, "HEAD^", name="one.weight"), entry_at(loaded, name="one.weight")
    assert second.storage.coding.update == "low-rank"
    assert [link.oid for link in second.storage.bases()][-1] == first.oid
    assert second.storage.place.size < 1.2 * first.storage.place.size
    loaded.theta("fsck")


@pytest.mark.parametrize(("dtype", "update"), [("float16", "low-rank"), ("float32", "delta")])
def test_factors_are_stored_where_their_own_bytes_are_few(
    sandbox: Sandbox, tmp_path: Path, dtype: str, update: str
) -> None:
    """Of rank 24 in 96 by 64: numbers of 16 bits are a third of the matrix, those of 32 two thirds."""
    track_and_commit(sandbox, {MODEL: BASE})
    sandbox.git("config", "theta.updates.budget", "0")
    load(sandbox, adapter(tmp_path, "one.weight", rank=24, dtype=dtype))
    entry = entry_at(sandbox, name="one.weight")
    assert entry.storage.coding.update == update
    assert entry.storage.place.size < 0.45 * entry.size or update == "delta"


def test_no_factors_are_stored_where_everything_is_to_be_dense(sandbox: Sandbox, tmp_path: Path) -> None:
    track_and_commit(sandbox, {MODEL: BASE})
    sandbox.git("config", "theta.updates", "dense")
    load(sandbox, adapter(tmp_path, "one.weight"))
    assert entry_at(sandbox, name="one.weight").storage.coding.update == "dense"


def test_diff_and_log_and_blame_see_what_changed(loaded: Sandbox) -> None:
    (found,) = json.loads(loaded.theta("diff", "HEAD^", "HEAD", "--json").stdout)["checkpoints"]
    assert [(one["name"], one["kind"]) for one in found["parameters"]] == [("one.weight", "low-rank")]
    assert "one.weight" in loaded.theta("diff", "HEAD^", "HEAD").stdout
    assert len(loaded.theta("log", "--oneline", "-p", "one.weight", "--", MODEL).stdout.splitlines()) >= 2
    assert "one.weight" in loaded.theta("blame", MODEL).stdout


def test_two_adapters_of_different_weights_merge(loaded: Sandbox, tmp_path: Path) -> None:
    loaded.git("checkout", "--quiet", "-b", "other", "HEAD^")
    load(loaded, adapter(tmp_path, "two.weight"))
    loaded.git("merge", "--quiet", "main", "-m", "both")
    merged = values_of(loaded.read(MODEL))
    assert entry_at(loaded, name="one.weight") == entry_at(loaded, "main", name="one.weight")
    assert entry_at(loaded, name="two.weight") == entry_at(loaded, "HEAD^1", name="two.weight")
    assert not np.array_equal(merged["one.weight"], values_of(BASE)["one.weight"])
    loaded.theta("fsck")


def test_two_adapters_of_one_weight_are_averaged(loaded: Sandbox, tmp_path: Path) -> None:
    first = values_of(loaded.read(MODEL))["one.weight"]
    loaded.git("checkout", "--quiet", "-b", "other", "HEAD^")
    second = values_of(load(loaded, adapter(tmp_path, "one.weight", seed=1)))["one.weight"]
    assert loaded.git("merge", "main", check=False).returncode == 1
    loaded.git("merge", "--abort")
    loaded.theta("merge", "-s", "average", "main")
    found = values_of(loaded.read(MODEL))["one.weight"]
    assert np.allclose(found, (first + second) / 2, atol=1e-6)


@pytest.mark.parametrize("options", [[], ["--depth=1"]], ids=["clone", "shallow"])
def test_a_clone_has_it(loaded: Sandbox, tmp_path: Path, options: list[str]) -> None:
    loaded.git("config", "--global", "include.path", str(loaded.root / ".git" / "config"))
    clone = Sandbox.clone(f"file://{loaded.root}", tmp_path / "clone", *options)
    assert clone.read(MODEL) == loaded.read(MODEL)
    assert clone.git("status", "--porcelain").stdout == ""
    content = load(clone, adapter(tmp_path, "two.weight"))
    assert content != loaded.read(MODEL)
    clone.theta("fsck")


def test_it_can_be_rebased_and_moved(loaded: Sandbox, tmp_path: Path) -> None:
    content = loaded.read(MODEL)
    loaded.git("checkout", "--quiet", "-b", "topic", "HEAD^")
    load(loaded, adapter(tmp_path, "two.weight"))
    loaded.git("rebase", "--quiet", "main")
    both = loaded.read(MODEL)
    assert values_of(both)["one.weight"].tobytes() == values_of(content)["one.weight"].tobytes()
    loaded.git("mv", MODEL, "moved.safetensors")
    loaded.git("commit", "--quiet", "-m", "moved")
    assert status(loaded) == "" and loaded.read("moved.safetensors") == both
    load(loaded, adapter(tmp_path, "two.weight", seed=2), path="moved.safetensors")
    loaded.git("checkout", "--quiet", "HEAD~2", "--", MODEL)
    assert loaded.read(MODEL) == both
    loaded.theta("fsck")


def test_gc_keeps_what_it_builds_on(loaded: Sandbox) -> None:
    content = loaded.read(MODEL)
    loaded.git("update-ref", "refs/heads/main", loaded.git("commit-tree", "HEAD^{tree}", "-m", "alone").stdout.strip())
    loaded.git("reflog", "expire", "--expire=all", "--all")
    loaded.theta("gc", "--grace", "0")
    (loaded.root / MODEL).unlink()
    loaded.git("checkout", "--", MODEL)
    assert loaded.read(MODEL) == content


def test_the_adapter_that_is_stored_can_be_had_back(loaded: Sandbox, tmp_path: Path) -> None:
    """With other ranks and scalings than the rest: to the byte."""
    told = json.loads(
        loaded.theta(
            *("export-update", "HEAD^", "HEAD", "--rank", "8", "-o", tmp_path / "adapter", "--json", "--", MODEL)
        ).stdout
    )
    assert told["exact"] and told["error"] == 0
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert config["rank_pattern"] == {"^one": 2}
    content = loaded.read(MODEL)
    loaded.git("checkout", "--quiet", "HEAD^")
    loaded.theta("add", MODEL, "--update", "low-rank", "--from", tmp_path / "adapter")
    assert loaded.read(MODEL) == content
