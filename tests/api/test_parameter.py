"""One parameter from Python: its values in either library, slices, and what is verified."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

import git_theta
from git_theta.errors import ChangedFile, CorruptObject, UsageError
from tests.api.api_repositories import FILE, small_kinds, two_versions, values_of
from tests.sandbox import Sandbox, changed, model, track_and_commit


@pytest.fixture
def kinds(sandbox: Sandbox) -> git_theta.Checkpoint:
    """A parameter of many dtypes."""
    track_and_commit(sandbox, {FILE: small_kinds()})
    return git_theta.open(FILE, "HEAD", sandbox.root)


def test_arrays_have_the_dtype_that_was_stored(kinds: git_theta.Checkpoint) -> None:
    found = {name: kinds[name].numpy() for name in kinds if name != "packed"}
    assert {name: str(array.dtype) for name, array in found.items()} == {
        "bf16": "bfloat16", "fp8": "float8_e4m3fn", "fp16": "float16", "steps": "int64", "mask": "bool",
        "none": "float32",
    }  # fmt: skip
    assert found["bf16"].tobytes() == bytes(range(8))
    assert found["fp8"].dtype == np.dtype(ml_dtypes.float8_e4m3fn)
    assert (found["steps"].shape, int(found["steps"])) == ((), 7)
    assert found["mask"].tolist() == [True, False, True]
    assert found["none"].shape == (0, 3)


def test_tensors_have_the_dtype_that_was_stored(kinds: git_theta.Checkpoint) -> None:
    found = {name: kinds[name].torch() for name in kinds if name != "packed"}
    assert {name: tensor.dtype for name, tensor in found.items()} == {
        "bf16": torch.bfloat16, "fp8": torch.float8_e4m3fn, "fp16": torch.float16, "steps": torch.int64,
        "mask": torch.bool, "none": torch.float32,
    }  # fmt: skip
    assert found["bf16"].view(torch.uint8).flatten().tolist() == list(range(8))
    assert found["steps"].shape == ()
    assert found["none"].shape == (0, 3)
    assert str(kinds["fp16"].torch(device="meta").device) == "meta"


def test_other_libraries_take_it_in_one_reading(kinds: git_theta.Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("bf16", "fp16", "steps", "mask", "none"):
        expected = kinds[name].torch()
        for found in (torch.as_tensor(kinds[name]), torch.utils.dlpack.from_dlpack(kinds[name])):
            assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
            assert found.equal(expected)
    monkeypatch.delitem(sys.modules, "torch")
    assert np.array_equal(np.from_dlpack(kinds["fp16"]), kinds["fp16"].numpy())


def test_a_device_that_is_not_here_is_an_error(kinds: git_theta.Checkpoint) -> None:
    with pytest.raises(UsageError, match="no device 'cuda:99' here"):
        kinds["fp16"].torch(device="cuda:99")
    with pytest.raises(UsageError, match="knows no device 'toaster'"):
        kinds.select("fp16").load("torch", device="toaster")
    with pytest.raises(UsageError, match="'numpy' has no tensors on 'cuda'"):
        kinds.load("numpy", device="cuda")


def test_what_no_library_has_is_there_as_bytes(kinds: git_theta.Checkpoint) -> None:
    packed = kinds["packed"]
    assert (packed.dtype, packed.shape, packed.size, packed.nbytes) == ("F4", (4,), 4, 2)
    assert packed.tobytes() == b"\x12\x34"
    for read in (packed.numpy, packed.torch):
        with pytest.raises(UsageError) as caught:
            read()
        assert "tobytes()" in caught.value.hint


def test_an_array_is_the_callers_own(kinds: git_theta.Checkpoint) -> None:
    first = kinds["fp16"].numpy()
    first[0] = 9
    assert kinds["fp16"].numpy().tolist() == [1, 2]
    tensor = kinds["fp16"].torch()
    tensor[0] = 9
    assert kinds["fp16"].torch().tolist() == [1, 2]


def test_it_is_what_numpy_makes_an_array_of(kinds: git_theta.Checkpoint) -> None:
    assert np.asarray(kinds["fp16"], dtype=np.float64).tolist() == [1, 2]
    with pytest.raises(ValueError, match="copy"):
        np.asarray(kinds["fp16"], copy=False)
    assert (len(kinds["bf16"]), kinds["bf16"].ndim, kinds["steps"].size) == (2, 2, 1)
    with pytest.raises(TypeError):
        len(kinds["steps"])


def test_its_rows_are_of_one_reading(kinds: git_theta.Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    readings: list[str] = []
    read = git_theta.Parameter.numpy

    def read_counted(parameter: git_theta.Parameter) -> Any:
        readings.append(parameter.name)
        return read(parameter)

    monkeypatch.setattr(git_theta.Parameter, "numpy", read_counted)
    monkeypatch.setattr(git_theta.Parameter, "__getitem__", None)
    assert [float(row) for row in kinds["fp16"]] == [1, 2]
    assert readings == ["fp16"]
    with pytest.raises(TypeError, match="0-d"):
        list(kinds["steps"])


KEYS: list[Any] = [
    np.s_[3], np.s_[-1], np.s_[np.int64(5)], np.s_[10:20], np.s_[20:10], np.s_[::-1], np.s_[50:3:-7], np.s_[5:2:-1],
    np.s_[:0], np.s_[60:900:3], np.s_[2:4, 1], np.s_[2, ..., :3], np.s_[7:9, ::-2], np.s_[...], np.s_[..., 0],
    np.s_[None, 3], np.s_[[1, 5, 5]], np.s_[np.array([True] * 32 + [False] * 32)], np.s_[:], np.s_[()],
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_a_part_is_what_numpy_gives(sandbox: Sandbox, key: Any) -> None:
    content = model(weight=(64, 32))
    track_and_commit(sandbox, {FILE: content})
    found = git_theta.open(FILE, "HEAD", sandbox.root)["weight"][key]
    expected = values_of(content)["weight"][key]
    assert found.shape == expected.shape
    assert np.array_equal(found, expected)


def test_rows_come_out_of_large_tensors(sandbox: Sandbox) -> None:
    """Where blocks end within rows, and where they are decoded on several threads."""
    content = model(weight=(700, 7001))
    track_and_commit(sandbox, {FILE: content})
    weight = git_theta.open(FILE, "HEAD", sandbox.root)["weight"]
    expected = values_of(content)["weight"]
    for key in (np.s_[0], np.s_[699], np.s_[18:20], np.s_[300:600:100, 7000]):
        assert np.array_equal(weight[key], expected[key])


@pytest.mark.parametrize("key", [64, -65, (64, 0)])
def test_an_index_out_of_bounds_is_an_error(sandbox: Sandbox, key: Any) -> None:
    track_and_commit(sandbox, {FILE: model(weight=(64, 32))})
    with pytest.raises(IndexError):
        git_theta.open(FILE, "HEAD", sandbox.root)["weight"][key]


def rot_objects(root: Path) -> None:
    """Flip the last bit of every object of a repository's store."""
    for file in (root / ".git" / "theta" / "objects").rglob("*"):
        if len(file.name) == 64:
            content = file.read_bytes()
            file.chmod(0o644)
            file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_no_row_is_given_of_a_tensor_that_is_not_what_was_committed(sandbox: Sandbox) -> None:
    track_and_commit(sandbox, {FILE: model(weight=(512, 1024))})
    weight = git_theta.open(FILE, "HEAD", sandbox.root)["weight"]
    rot_objects(sandbox.root)
    for read in (weight.numpy, weight.torch, weight.tobytes, lambda: weight[0]):
        with pytest.raises(CorruptObject, match=r"model.safetensors: weight: "):
            read()
    with pytest.raises(CorruptObject):
        git_theta.load(FILE, "HEAD", sandbox.root)


def test_a_file_that_was_written_to_since_is_noticed(sandbox: Sandbox) -> None:
    first, _ = two_versions(sandbox)
    opened = git_theta.open(FILE, repo=sandbox.root)
    with (sandbox.root / FILE).open("r+b") as file:
        file.write(changed(first, "head.bias"))
    with pytest.raises(ChangedFile, match="written to since"):
        opened["head.bias"].numpy()


def test_a_file_that_was_replaced_since_is_read_as_it_was(sandbox: Sandbox) -> None:
    first, second = two_versions(sandbox)
    opened = git_theta.open(FILE, repo=sandbox.root)
    (sandbox.root / "new").write_bytes(second)
    (sandbox.root / "new").replace(sandbox.root / FILE)
    assert np.array_equal(opened["head.weight"].numpy(), values_of(first)["head.weight"])


def test_ids_are_those_of_the_bytes(sandbox: Sandbox) -> None:
    import hashlib

    first, _ = two_versions(sandbox)
    expected = {name: hashlib.sha256(value.tobytes()).hexdigest() for name, value in values_of(first).items()}
    for rev in ("v1.0", None):
        assert {name: one.oid for name, one in git_theta.open(FILE, rev, sandbox.root).items()} == expected


def test_a_forged_manifest_reads_nothing_beyond_its_bytes(sandbox: Sandbox, tmp_path: Path) -> None:
    """L10: what a window says may be a lie."""
    weights = torch.arange(64.0)
    torch.save({"whole": weights, "window": weights[8:16]}, tmp_path / "model.pt")
    track_and_commit(sandbox, {"model.pt": (tmp_path / "model.pt").read_bytes()}, "*.pt")
    text = sandbox.git("cat-file", "blob", "HEAD:model.pt").stdout
    assert '"shape":[8]' in text.replace(" ", "")
    forged = text.replace('"shape":[8]', '"shape":[99]').replace('"shape": [8]', '"shape": [99]')
    blob = sandbox.git("hash-object", "-w", "--stdin", input=forged).stdout.strip()
    sandbox.git("update-index", "--cacheinfo", f"100644,{blob},model.pt")
    sandbox.git("commit", "--quiet", "-m", "a forged window")
    with pytest.raises(git_theta.errors.ThetaError) as caught:
        git_theta.open("model.pt", "HEAD", sandbox.root)["window"].numpy()
    assert isinstance(caught.value, (CorruptObject, git_theta.errors.ManifestError))
