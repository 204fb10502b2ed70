"""``git theta add``, as a person types it: a checkpoint with an adapter merged, in the worktree and staged."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.adapters import MODEL, PEFT_ADAPTERS, array_file, peft_file, status, tensor_file, values_of
from tests.chained_versions import manifest_at, object_files
from tests.sandbox import Sandbox, model, track_and_commit
from tests.sharded_checkpoints import INDEX, read_checkpoint, shard_name, sharded, tensor_of

LORA = ("--update", "low-rank", "--from", PEFT_ADAPTERS / "lora")
DTYPES = ("float32", "bfloat16")


def start(sandbox: Sandbox, content: bytes | None = None) -> Sandbox:
    return track_and_commit(sandbox, {MODEL: content or peft_file("base-float32")})


def add_arrays(sandbox: Sandbox, tmp_path: Path, kind: str, content: bytes, path: str = MODEL) -> Any:
    adapter = tmp_path / "adapter.safetensors"
    adapter.write_bytes(content)
    return json.loads(sandbox.theta("add", path, "--update", kind, "--from", adapter, "--json").stdout)


def refuse(sandbox: Sandbox, *args: str | Path, path: str = MODEL) -> str:
    """What is said where nothing is done."""
    before, stored = sandbox.git("ls-files", "-s").stdout, set(object_files(sandbox))
    content = sandbox.read(path) if (sandbox.root / path).exists() else None
    done = sandbox.theta("add", path, *args, check=False)
    assert done.returncode not in (0, 1), done.stdout
    assert sandbox.git("ls-files", "-s").stdout == before
    assert set(object_files(sandbox)) == stored
    assert (sandbox.read(path) if content is not None else None) == content
    assert "hint:" in done.stderr
    return done.stderr


def assert_agrees(sandbox: Sandbox, content: bytes, path: str = MODEL) -> None:
    """Worktree, index and, once committed, commit have the same version; and it comes back from the store."""
    assert sandbox.read(path) == content
    assert status(sandbox) == f"M  {path}\n"
    sandbox.git("commit", "--quiet", "-m", "updated")
    assert status(sandbox) == ""
    os.utime(sandbox.root / path)  # Git looks into it again
    assert status(sandbox) == ""
    (sandbox.root / path).unlink()
    sandbox.git("checkout", "--", path)
    assert sandbox.read(path) == content
    sandbox.theta("fsck")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("adapter", "kind"), [("lora", "low-rank"), ("ia3", "scale")])
def test_the_bytes_are_those_that_peft_merges(sandbox: Sandbox, adapter: str, kind: str, dtype: str) -> None:
    start(sandbox, peft_file(f"base-{dtype}"))
    told = sandbox.theta("add", MODEL, "--update", kind, "--from", PEFT_ADAPTERS / adapter).stdout
    assert told.startswith(f"{MODEL}: {7 if adapter == 'lora' else 6} of 16 parameters updated, ")
    assert told.endswith("; staged\n")
    assert_agrees(sandbox, peft_file(f"{adapter}-{dtype}"))


def test_a_dry_run_says_what_it_would_come_to_and_changes_nothing(sandbox: Sandbox) -> None:
    start(sandbox)
    blob, stored = sandbox.git("ls-files", "-s").stdout, set(object_files(sandbox))
    (would,) = json.loads(sandbox.theta("add", MODEL, *LORA, "--dry-run", "--json").stdout)
    told = sandbox.theta("add", MODEL, *LORA, "--dry-run").stdout
    assert "7 of 16 parameters would be updated" in told
    assert "  model.embed_tokens.weight: replaced, then low-rank, rank 4; " in told
    assert sandbox.git("ls-files", "-s").stdout == blob and status(sandbox) == ""
    assert set(object_files(sandbox)) == stored
    assert sandbox.read(MODEL) == peft_file("base-float32")
    (did,) = json.loads(sandbox.theta("add", MODEL, *LORA, "--json").stdout)
    assert did == would | {"done": True}
    stored_now = {entry.name: entry.storage.place.size for entry in manifest_at(sandbox).parameters()}
    assert all(one["own"] == stored_now[one["name"]] for one in did["parameters"])


def test_the_same_again_is_an_update_of_what_is_staged(sandbox: Sandbox) -> None:
    start(sandbox, model())
    adapter = array_file(**{"layer.bias__scale": np.full(32, 2, np.float32)})
    (sandbox.root / "adapter.safetensors").write_bytes(adapter)
    for _ in range(2):
        sandbox.theta("add", MODEL, "--update", "scale", "--from", "adapter.safetensors")
    assert np.array_equal(values_of(sandbox.read(MODEL))["layer.bias"], 4 * values_of(model())["layer.bias"])


def test_what_changes_nothing_stages_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    start(sandbox, model())
    (told,) = add_arrays(sandbox, tmp_path, "scale", array_file(**{"layer.weight__scale": np.ones((1, 1), np.float32)}))
    assert not told["done"] and [one["changed"] for one in told["parameters"]] == [False]
    assert status(sandbox) == ""


def test_low_rank_arrays_are_added_with_their_scaling(sandbox: Sandbox, tmp_path: Path) -> None:
    start(sandbox, model())
    down, up = np.ones((2, 32), np.float32), np.arange(64, dtype=np.float32).reshape(32, 2)
    arrays = {"layer.weight__A": down, "layer.weight__B": up, "layer.weight__scaling": np.float32(0.5)}
    add_arrays(sandbox, tmp_path, "low-rank", array_file(**{k: np.asarray(v) for k, v in arrays.items()}))
    expected = values_of(model())["layer.weight"] + np.float32(0.5) * (up @ down)
    assert np.array_equal(values_of(sandbox.read(MODEL))["layer.weight"], expected)


@pytest.mark.parametrize("options", [(), ("-n",)], ids=["done", "tried"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinite_numbers_are_told_before_they_spread(
    sandbox: Sandbox, tmp_path: Path, bad: float, options: tuple[str, ...]
) -> None:
    start(sandbox, model())
    down, up = np.ones((2, 32), np.float32), np.ones((32, 2), np.float32)
    adapter = tmp_path / "adapter.safetensors"
    arrays = {"layer.weight__A": down, "layer.weight__B": up, "embed.weight__A": down, "embed.weight__B": up}
    arrays["embed.weight__B"] = np.ones((len(values_of(model())["embed.weight"]), 2), np.float32)
    for broken in (False, True):
        up[3, 1] = bad if broken else 1
        adapter.write_bytes(array_file(**arrays))
        said = sandbox.theta("add", MODEL, "--update", "low-rank", "--from", adapter, *options).stderr
        told = "the adapter brings NaN or infinite numbers, which spread through parameters: layer.weight (1)\n"
        assert (told in said) is broken
        assert said.count("warning") == broken


@pytest.mark.parametrize(("shape", "axis"), [((32, 1), 0), ((1, 32), 1), ((1, 1), 0), ((32, 32), None)])
def test_what_scales_rows_or_columns_is_stored_as_that(
    sandbox: Sandbox, tmp_path: Path, shape: tuple[int, int], axis: int | None
) -> None:
    start(sandbox, model())
    scale = np.random.default_rng(0).normal(1, 0.1, shape).astype(np.float32)
    add_arrays(sandbox, tmp_path, "scale", array_file(**{"layer.weight__scale": scale}))
    expected = values_of(model())["layer.weight"] * scale
    assert np.array_equal(values_of(sandbox.read(MODEL))["layer.weight"], expected)
    (entry,) = (entry for entry in manifest_at(sandbox).parameters() if entry.name == "layer.weight")
    if axis is None:
        assert entry.storage.coding.update in ("delta", "dense")
    else:
        assert (entry.storage.coding.update, entry.storage.coding.options) == ("scale", {"axis": axis})
        assert entry.storage.place.size < 200


def test_sparse_arrays_set_elements_and_rows(sandbox: Sandbox, tmp_path: Path) -> None:
    start(sandbox, model())
    rows = np.arange(64, dtype=np.float32).reshape(2, 32)
    arrays = {
        "embed.weight/indices": np.array([63, 5]),
        "embed.weight/values": rows,
        "layer.weight/indices": np.array([1023, 0, 77], np.int32),
        "layer.weight/values": np.array([1, 2, 3], np.float16),
    }
    (told,) = add_arrays(sandbox, tmp_path, "sparse", tensor_file(arrays))
    assert [one["update"] for one in told["parameters"]] == ["sparse, 2 rows", "sparse, 3 elements"]
    expected = {name: array.copy() for name, array in values_of(model()).items()}
    expected["embed.weight"][[63, 5]] = rows
    expected["layer.weight"].flat[[1023, 0, 77]] = (1, 2, 3)
    found = values_of(sandbox.read(MODEL))
    assert all(np.array_equal(found[name], array) for name, array in expected.items())
    stored = {entry.name: entry.storage for entry in manifest_at(sandbox).parameters()}
    for name in ("embed.weight", "layer.weight"):  # of 8 and 4 KiB: what a person asks for is no question of size
        assert stored[name].coding.update == "delta" and stored[name].place.size < 600


def test_a_torch_file_is_updated_by_a_torch_file(sandbox: Sandbox, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    weight = torch.arange(5000, dtype=torch.bfloat16).reshape(50, 100)
    torch.save({"layer.weight": weight, "step": torch.tensor(3)}, tmp_path / "model.pt")
    sandbox.theta("track", "*.pt")
    sandbox.write("model.pt", (tmp_path / "model.pt").read_bytes())
    sandbox.commit()
    torch.save({"layer.weight/scale": torch.full((50, 1), 0.5)}, tmp_path / "adapter.pt")
    sandbox.theta("add", "model.pt", "--update", "scale", "--from", tmp_path / "adapter.pt")
    assert status(sandbox) == "M  model.pt\n"
    loaded = torch.load(sandbox.root / "model.pt", weights_only=True)
    assert torch.equal(loaded["layer.weight"], weight * 0.5) and loaded["step"] == 3


def test_the_shards_of_an_index_are_one_checkpoint(sandbox: Sandbox, tmp_path: Path) -> None:
    files = {path: content for path, content in sharded("ab", "cd", "ef").items() if content}
    track_and_commit(sandbox, files)
    arrays = {"a__scale": np.full(1, 2, np.float32), "f__scale": np.full(1, 4, np.float32)}
    told = add_arrays(sandbox, tmp_path, "scale", array_file(**arrays), path=INDEX)
    first, _, last = (shard_name(number, 3) for number in (1, 2, 3))
    assert [one["path"] for one in told] == [first, last]
    assert status(sandbox) == f"M  {first}\nM  {last}\n"
    found = read_checkpoint(sandbox.root)
    assert np.array_equal(found["a"], 2 * tensor_of("a")) and np.array_equal(found["f"], 4 * tensor_of("f"))
    assert np.array_equal(found["b"], tensor_of("b"))
    said = refuse(sandbox, "--update", "scale", "--from", tmp_path / "adapter.safetensors", path=first)
    assert INDEX in said


def test_of_a_parameter_in_several_shards_the_one_is_updated_that_the_index_names(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """L13: a shard that was saved anew elsewhere may stand there still, and is not what gets loaded."""
    files = {path: content for path, content in sharded("ab", "cd").items() if content}
    stale = sharded("ab", "acd", a=1.0)[shard_name(2, 2)]
    assert stale
    track_and_commit(sandbox, files | {shard_name(2, 2): stale})
    told = add_arrays(sandbox, tmp_path, "scale", array_file(a__scale=np.full(1, 2, np.float32)), path=INDEX)
    assert [one["path"] for one in told] == [shard_name(1, 2)]
    assert np.array_equal(values_of(sandbox.read(shard_name(1, 2)))["a"], 2 * tensor_of("a"))
    assert sandbox.read(shard_name(2, 2)) == stale


def test_names_that_lack_words_in_front_are_found_together(sandbox: Sandbox, tmp_path: Path) -> None:
    start(sandbox, model(**{"model.a.weight": 8, "model.b.weight": 8, "other.a.weight": 8}))
    scale = np.full(8, 2, np.float32)
    (told,) = add_arrays(sandbox, tmp_path, "scale", tensor_file({"a.weight/scale": scale, "b.weight/scale": scale}))
    names = [(one["adapter_name"], one["name"]) for one in told["parameters"]]
    assert names == [("a.weight", "model.a.weight"), ("b.weight", "model.b.weight")]
    outer = tensor_file({"wrapped.model.a.weight/scale": scale})
    (told,) = add_arrays(sandbox, tmp_path, "scale", outer)
    assert [one["name"] for one in told["parameters"]] == ["model.a.weight"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a.weight"], "a.weight may be any of model.a.weight, other.a.weight"),
        (["c.weight", "a.weight"], "no parameter for c.weight"),
        (["b.weight", "model.a.weight"], "they differ in front"),
    ],
)
def test_names_that_are_not_clear_are_refused(
    sandbox: Sandbox, tmp_path: Path, names: Sequence[str], said: str
) -> None:
    start(sandbox, model(**{"model.a.weight": 8, "model.b.weight": 8, "other.a.weight": 8}))
    adapter = tmp_path / "adapter.safetensors"
    adapter.write_bytes(tensor_file({f"{name}/scale": np.ones(8, np.float32) for name in names}))
    assert said in refuse(sandbox, "--update", "scale", "--from", adapter)


SCALE_32 = np.ones(32, np.float32)


@pytest.mark.parametrize(
    ("kind", "arrays", "said"),
    [
        ("scale", {"layer.bias/scale": np.ones(31, np.float32)}, "does not fit"),
        ("scale", {"layer.bias": SCALE_32}, "'layer.bias' is not PARAMETER/ARRAY"),
        ("scale", {"layer.bias/scale": SCALE_32, "layer.bias/A": SCALE_32}, "'A' is no array of the update 'scale'"),
        ("low-rank", {"layer.weight/A": np.ones((2, 32), np.float32)}, "it lacks the array 'B'"),
        (
            "low-rank",
            {"layer.weight/A": np.ones((2, 32), np.float32), "layer.weight/B": np.ones((32, 3), np.float32)},
            "[2, 32] and [32, 3]: that is no product",
        ),
        (
            "low-rank",
            {"layer.weight/A": np.ones((2, 8), np.float32), "layer.weight/B": np.ones((32, 2), np.float32)},
            "has shape [32, 8], and the parameter [32, 32]",
        ),
        ("sparse", {"layer.bias/indices": np.array([32]), "layer.bias/values": SCALE_32[:1]}, "out of range"),
        ("sparse", {"layer.bias/indices": np.array([3, 3]), "layer.bias/values": SCALE_32[:2]}, "there twice"),
        ("sparse", {"layer.bias/indices": SCALE_32, "layer.bias/values": SCALE_32}, "must be integers"),
    ],
)
def test_arrays_that_fit_nothing_are_refused(
    sandbox: Sandbox, tmp_path: Path, kind: str, arrays: dict[str, Any], said: str
) -> None:
    start(sandbox, model())
    adapter = tmp_path / "adapter.safetensors"
    adapter.write_bytes(tensor_file(arrays))
    told = refuse(sandbox, "--update", kind, "--from", adapter)
    assert said in told and "layer." in told


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"use_dora": True}, "use_dora is set: DoRA"),
        ({"peft_type": "LOKR"}, "it is a LOKR adapter"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights is 'pissa'"),
        ({"something_new": 3}, "something_new is set"),
        ({"r": 8}, "rank 8 for model.embed_tokens, whose factors have rank 4"),
        ({"lora_alpha": "six"}, "lora_alpha is 'six'"),
        ({"alpha_pattern": {"(": 3}}, "'(.*\\\\.)?(()$' is no regular expression"),
    ],
)
def test_adapters_that_are_merged_otherwise_are_refused_by_name(
    sandbox: Sandbox, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    start(sandbox)
    shutil.copytree(PEFT_ADAPTERS / "lora", tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert said in refuse(sandbox, "--update", "low-rank", "--from", tmp_path / "adapter")


def test_an_adapter_is_the_update_that_is_asked_for(sandbox: Sandbox) -> None:
    start(sandbox)
    assert "a LORA adapter is no scale update" in refuse(sandbox, "--update", "scale", *LORA[2:])


def test_a_folder_that_is_no_adapter_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    start(sandbox)
    assert "adapter_config.json" in refuse(sandbox, "--update", "low-rank", "--from", tmp_path)
    (tmp_path / "adapter_config.json").write_text("{")
    assert "no JSON" in refuse(sandbox, "--update", "low-rank", "--from", tmp_path)
    (tmp_path / "adapter.bin").write_bytes(b"nothing that is known")
    assert "no format reads it" in refuse(sandbox, "--update", "scale", "--from", tmp_path / "adapter.bin")


def test_an_adapter_without_arrays_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    start(sandbox)
    (tmp_path / "adapter.safetensors").write_bytes(tensor_file({}))
    assert "has no arrays" in refuse(sandbox, "--update", "scale", "--from", tmp_path / "adapter.safetensors")


def test_changes_that_nobody_staged_are_kept_unless_forced(sandbox: Sandbox) -> None:
    start(sandbox)
    sandbox.write(MODEL, peft_file("ia3-float32"))
    assert "--force" in refuse(sandbox, *LORA)
    sandbox.theta("add", MODEL, *LORA, "--force")
    assert_agrees(sandbox, peft_file("lora-float32"))


def test_a_deleted_file_is_such_a_change(sandbox: Sandbox) -> None:
    start(sandbox)
    (sandbox.root / MODEL).unlink()
    assert "not staged" in refuse(sandbox, *LORA)
    sandbox.theta("add", MODEL, *LORA, "--force")
    assert_agrees(sandbox, peft_file("lora-float32"))


def test_a_manifest_in_the_worktree_becomes_the_file(sandbox: Sandbox, tmp_path: Path) -> None:
    start(sandbox)
    sandbox.git("config", "--global", "include.path", str(sandbox.root / ".git" / "config"))
    sandbox.git("clone", "--quiet", sandbox.root, tmp_path / "clone", env={"GIT_THETA_SKIP_SMUDGE": "1"})
    clone = Sandbox(tmp_path / "clone")
    assert clone.read(MODEL) != peft_file("base-float32")
    clone.theta("add", MODEL, *LORA)
    assert_agrees(clone, peft_file("lora-float32"))


def test_a_file_that_git_does_not_look_at_is_refused(sandbox: Sandbox) -> None:
    start(sandbox)
    sandbox.git("update-index", "--assume-unchanged", MODEL)
    assert "--no-assume-unchanged" in refuse(sandbox, *LORA, "--force")


def test_a_file_that_is_not_versioned_is_refused(sandbox: Sandbox) -> None:
    start(sandbox)
    sandbox.write("other.safetensors", model())
    assert "no versioned file" in refuse(sandbox, *LORA, path="other.safetensors")
    sandbox.write("raw.bin", model())
    sandbox.commit()
    assert "no versioned file" in refuse(sandbox, *LORA, path="raw.bin")
    assert "no versioned file" in refuse(sandbox, *LORA, path="nowhere.safetensors")


def test_a_file_in_conflict_is_refused(sandbox: Sandbox) -> None:
    start(sandbox)
    for branch, merged in (("one", "lora-float32"), ("two", "ia3-float32")):
        sandbox.git("checkout", "--quiet", "-b", branch, "main")
        sandbox.write(MODEL, peft_file(merged))
        sandbox.commit()
    assert sandbox.git("merge", "one", check=False).returncode == 1
    assert "in conflict" in refuse(sandbox, *LORA, "--force")


def test_a_base_that_cannot_be_had_is_named(sandbox: Sandbox) -> None:
    start(sandbox)
    for file in object_files(sandbox).values():
        file.unlink()
    done = sandbox.theta("add", MODEL, *LORA, check=False)
    assert done.returncode == 3
    assert MODEL in done.stderr and "missing" in done.stderr
    assert status(sandbox) == ""


def test_the_file_keeps_its_mode(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    sandbox.write(MODEL, peft_file("base-float32")).chmod(0o755)
    sandbox.commit()
    sandbox.theta("add", MODEL, *LORA)
    assert sandbox.git("ls-files", "-s", MODEL).stdout.startswith("100755 ")
    assert_agrees(sandbox, peft_file("lora-float32"))


def test_it_works_from_a_folder_below(sandbox: Sandbox) -> None:
    track_and_commit(sandbox, {f"models/{MODEL}": peft_file("base-float32")})
    adapter = PEFT_ADAPTERS / "lora"
    command = ["git", "theta", "add", MODEL, "--update", "low-rank", "--from", os.fspath(adapter)]
    sandbox.run("env", "-C", "models", *command)
    assert_agrees(sandbox, peft_file("lora-float32"), path=f"models/{MODEL}")


def test_a_bias_beside_a_factor_that_is_a_number_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    track_and_commit(sandbox, {MODEL: tensor_file({"layer.weight": np.ones((3, 2), "<f4")})})
    config = {"peft_type": "LORA", "r": 0, "lora_alpha": 1, "lora_bias": True, "init_lora_weights": True}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    shapes: dict[str, tuple[int, ...]] = {"A.weight": (), "B.weight": (3, 1), "B.bias": (3,)}
    arrays = {f"base_model.model.layer.lora_{name}": np.ones(shape, "<f4") for name, shape in shapes.items()}
    (tmp_path / "adapter_model.safetensors").write_bytes(tensor_file(arrays))
    assert "have rank 0" in refuse(sandbox, "--update", "low-rank", "--from", tmp_path)


@pytest.mark.parametrize(
    ("rank", "prefixes", "said"),
    [(0, ("base_model.model.",), "have rank 0"), (1, ("base_model.model.", ""), "two arrays are for it")],
)
def test_factors_of_no_rank_and_two_for_one_name_are_refused(
    rank: int, prefixes: tuple[str, ...], said: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    track_and_commit(sandbox, {MODEL: tensor_file({"layer.weight": np.ones((3, 2), "<f4")})})
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": 1, "init_lora_weights": True}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    shapes = {"lora_A": (rank, 2), "lora_B": (3, rank)}
    arrays = {
        f"{start}layer.{name}.weight": np.ones(shape, "<f4") for start in prefixes for name, shape in shapes.items()
    }
    (tmp_path / "adapter_model.safetensors").write_bytes(tensor_file(arrays))
    assert said in refuse(sandbox, "--update", "low-rank", "--from", tmp_path)
