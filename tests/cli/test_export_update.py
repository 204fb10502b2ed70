"""``git theta export-update``, as a person types it: what a version changed, as an adapter, with its error said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.adapters import MODEL, tensor_file, values_of
from tests.sandbox import Sandbox, track_and_commit
from tests.sharded_checkpoints import INDEX, sharded

Arrays = Mapping[str, np.ndarray[Any, Any]]
SHAPES_OF_FACTORS = {"A": (1, 32), "B": (48, 1)}


def base_arrays() -> dict[str, np.ndarray[Any, Any]]:
    """Whole numbers: small products on top of them are exact."""
    generator = np.random.default_rng(0)
    shapes = {
        "a.weight": (48, 32),
        "a.bias": (48,),
        "b.weight": (32, 48),
        "norm.weight": (32,),
        "embed.weight": (64, 32),
    }
    return {name: generator.integers(-8, 8, shape).astype(np.float32) for name, shape in shapes.items()}


def versions(sandbox: Sandbox, after: Arrays, before: Arrays | None = None) -> Sandbox:
    """Two commits with these parameters."""
    track_and_commit(sandbox, {MODEL: tensor_file(before or base_arrays())})
    sandbox.write(MODEL, tensor_file(after))
    sandbox.commit("after")
    return sandbox


def export(sandbox: Sandbox, folder: Path, *args: str, rank: int = 2, path: str = MODEL) -> Any:
    command = ["export-update", "HEAD^", "HEAD", "--rank", str(rank), "-o", str(folder), "--json", *args, "--", path]
    return json.loads(sandbox.theta(*command).stdout)


def refuse(sandbox: Sandbox, folder: Path, *args: str, rank: int = 2) -> str:
    command = ["export-update", "HEAD^", "HEAD", "--rank", str(rank), "-o", str(folder), *args, "--", MODEL]
    done = sandbox.theta(*command, check=False)
    assert done.returncode == 2 and "hint:" in done.stderr
    assert not (folder / "adapter_config.json").exists()
    return done.stderr


def test_what_is_of_low_rank_comes_back_by_our_own_add(sandbox: Sandbox, tmp_path: Path) -> None:
    after = base_arrays()
    after["a.weight"] += np.outer(np.arange(48) - 20, np.ones(32)).astype(np.float32)
    after["b.weight"] += np.outer(np.ones(32), np.arange(48) % 3).astype(np.float32)
    after["a.bias"][3] = 0.5
    after["norm.weight"] *= 2
    after["embed.weight"][7] = 1
    versions(sandbox, after)
    told = export(sandbox, tmp_path / "adapter")
    updates = {one["name"]: one["update"] for one in told["parameters"]}
    assert updates == {
        "a.weight": "low-rank",
        "b.weight": "low-rank",
        "a.bias": "whole",
        "norm.weight": "whole",
        "embed.weight": "whole",
    }
    assert told["error"] < 1e-6
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert config["target_modules"] == ["a", "b"] and config["modules_to_save"] == ["embed", "norm"]
    assert config["r"] == config["lora_alpha"] == 2 and config["bias"] == "all"
    sandbox.git("checkout", "--quiet", "HEAD^")
    sandbox.theta("add", MODEL, "--update", "low-rank", "--from", tmp_path / "adapter")
    found = values_of(sandbox.read(MODEL))
    assert sum(int((found[name] != values).sum()) for name, values in after.items()) == told["differing"]
    assert all(np.allclose(found[name], values, atol=1e-4) for name, values in after.items())
    assert all(np.array_equal(found[name], after[name]) for name in ("a.bias", "norm.weight", "embed.weight"))


def test_what_is_exact_is_said_to_be(sandbox: Sandbox, tmp_path: Path) -> None:
    after = base_arrays()
    after["a.weight"][5, 3] += 4  # one element: singular vectors of ones and zeros
    versions(sandbox, after)
    told = sandbox.theta("export-update", "HEAD^", "HEAD", MODEL, "--rank", "1", "-o", tmp_path / "adapter").stdout
    assert "  a.weight: exact\n" in told
    assert told.endswith("1 parameter, 1 by factors of rank 1; exact\n")


def test_what_is_not_of_low_rank_is_written_with_its_error(sandbox: Sandbox, tmp_path: Path) -> None:
    after, generator = base_arrays(), np.random.default_rng(1)
    change = generator.standard_normal((48, 32), dtype=np.float32)
    after["a.weight"] += change
    versions(sandbox, after)
    (one,) = export(sandbox, tmp_path / "adapter", rank=4)["parameters"]
    sizes = np.linalg.svd(after["a.weight"].astype(float) - base_arrays()["a.weight"], compute_uv=False)
    assert one["error"] == pytest.approx(np.linalg.norm(sizes[4:]) / np.linalg.norm(sizes), rel=1e-3)
    assert one["differing"] > 1000 and not one["exact"]


def test_parameters_that_are_asked_for_whole_are_exact(sandbox: Sandbox, tmp_path: Path) -> None:
    after, generator = base_arrays(), np.random.default_rng(1)
    after["a.weight"] += generator.standard_normal((48, 32), dtype=np.float32)
    after["b.weight"][0, 0] += 1
    versions(sandbox, after)
    told = export(sandbox, tmp_path / "adapter", "--whole", "a.*", rank=1)
    assert [(one["name"], one["update"]) for one in told["parameters"]] == [
        ("b.weight", "low-rank"),
        ("a.bias", "whole"),
        ("a.weight", "whole"),
    ]
    assert told["exact"]


def test_layers_may_store_fan_in_first(sandbox: Sandbox, tmp_path: Path) -> None:
    after = base_arrays()
    after["a.weight"] += np.outer(np.arange(48), np.ones(32)).astype(np.float32)
    versions(sandbox, after)
    export(sandbox, tmp_path / "adapter", "--fan-in-fan-out", rank=1)
    arrays = values_of((tmp_path / "adapter" / "adapter_model.safetensors").read_bytes())
    assert arrays["base_model.model.a.lora_A.weight"].shape == (1, 48)
    sandbox.git("checkout", "--quiet", "HEAD^")
    sandbox.theta("add", MODEL, "--update", "low-rank", "--from", tmp_path / "adapter")
    assert np.allclose(values_of(sandbox.read(MODEL))["a.weight"], after["a.weight"], atol=1e-4)


def test_a_module_that_is_called_as_another_ends_has_a_scaling_of_its_own(sandbox: Sandbox, tmp_path: Path) -> None:
    before = {name: base_arrays()["a.weight"] for name in ("a.weight", "in.a.weight")}
    track_and_commit(sandbox, {MODEL: tensor_file(before)})
    ones = {f"{name}/{array}": np.ones(shape, "<f4") for name in before for array, shape in SHAPES_OF_FACTORS.items()}
    scaling = {"a.weight/scaling": np.full(1, 3, "<f4"), "in.a.weight/scaling": np.ones(1, "<f4")}
    (tmp_path / "arrays.safetensors").write_bytes(tensor_file(ones | scaling))
    sandbox.theta("add", MODEL, "--update", "low-rank", "--from", tmp_path / "arrays.safetensors")
    wanted = sandbox.read(MODEL)
    sandbox.commit("after")
    assert export(sandbox, tmp_path / "adapter", rank=1)["exact"]
    sandbox.git("checkout", "--quiet", "HEAD^")
    sandbox.theta("add", MODEL, "--update", "low-rank", "--from", tmp_path / "adapter")
    assert sandbox.read(MODEL) == wanted


def test_shards_are_one_checkpoint(sandbox: Sandbox, tmp_path: Path) -> None:
    track_and_commit(sandbox, {path: content for path, content in sharded("ab", "cd").items() if content})
    for path, content in sharded("ab", "cd", c=1.0).items():
        sandbox.write(path, content or b"")
    sandbox.commit("after")
    done = sandbox.theta(
        "export-update", "HEAD^", "HEAD", "--rank", "1", "-o", tmp_path / "x", "--", INDEX, check=False
    )
    assert "c: it belongs to no module" in done.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda arrays: arrays.pop("a.bias"), "a.bias: it is gone"),
        (lambda arrays: arrays.update({"c.weight": np.ones((4, 4), np.float32)}), "c.weight: it is new"),
        (lambda arrays: arrays.update({"a.bias": np.ones(7, np.float32)}), "a.bias: it was F32 [48], and is F32 [7]"),
        (lambda arrays: None, "the versions are the same"),
        (lambda arrays: arrays.update({"norm.weight": np.zeros(32, np.float32)}), "no matrix differs"),
    ],
)
def test_what_no_adapter_can_say_is_refused_with_the_reason(
    sandbox: Sandbox, tmp_path: Path, change: Any, said: str
) -> None:
    after = base_arrays()
    change(after)
    track_and_commit(sandbox, {MODEL: tensor_file(base_arrays())})
    sandbox.write(MODEL, tensor_file(after))
    sandbox.git("add", MODEL)
    sandbox.git("commit", "--quiet", "--allow-empty", "-m", "after")
    assert said in refuse(sandbox, tmp_path / "adapter")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--rank", "100"], "no matrix differs that is larger than its factors of rank 100"),
        (["--rank", "2", "--whole", "a.*", "--whole", "lm_haed*"], f"no parameter of {MODEL} matches lm_haed*\n"),
    ],
)
def test_what_was_asked_for_and_cannot_be_is_told(
    sandbox: Sandbox, tmp_path: Path, options: list[str], said: str
) -> None:
    before = {"a.weight": np.ones((32, 32), np.float32), "b.weight": np.ones((32, 32), np.float32)}
    versions(sandbox, {name: values * 2 for name, values in before.items()}, before)
    done = sandbox.theta("export-update", "HEAD^", "HEAD", *options, "-o", tmp_path / "x", "--", MODEL, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "x").exists()


def test_a_module_with_modules_in_it_cannot_be_whole(sandbox: Sandbox, tmp_path: Path) -> None:
    before = {"m.token": np.ones(4, np.float32), "m.in.weight": np.ones((32, 32), np.float32)}
    after = {"m.token": np.zeros(4, np.float32), "m.in.weight": np.zeros((32, 32), np.float32)}
    versions(sandbox, after, before)
    assert "m.token: its module has modules in it" in refuse(sandbox, tmp_path / "adapter")


def test_a_folder_with_files_is_not_written_into(sandbox: Sandbox, tmp_path: Path) -> None:
    after = base_arrays()
    after["a.weight"] += 1
    versions(sandbox, after)
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "notes").touch()
    assert "the folder has files" in refuse(sandbox, tmp_path / "adapter")


def test_two_versions_of_one_checkpoint_are_wanted(sandbox: Sandbox, tmp_path: Path) -> None:
    versions(sandbox, base_arrays() | {"a.bias": np.zeros(48, np.float32)})
    done = sandbox.theta("export-update", "HEAD", MODEL, "--rank", "1", "-o", tmp_path / "x", check=False)
    assert done.returncode == 2 and "two versions" in done.stderr
