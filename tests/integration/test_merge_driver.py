"""The merge driver as Git runs it: every command that merges, and what becomes of each parameter, bit for bit."""

from __future__ import annotations

import io
import json
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from git_theta.manifest.text import decode_manifest, is_manifest
from tests.integration.checkpoint_history import assert_clean, assert_round_trip
from tests.sandbox import Sandbox, changed, model, safetensors_bytes
from tests.two_branches import BASE, MODEL, at, contested, fork, objects_of, record, stages, tensor, tensors

OURS = changed(BASE, "embed.weight")
THEIRS = changed(BASE, "layer.bias")
BOTH = changed(OURS, "layer.bias")


@pytest.fixture
def forked(request: pytest.FixtureRequest, tmp_path: Path, home: Path) -> Sandbox:
    """Each side changed a parameter of its own; in the one of Git's hash formats that the test asks for."""
    sandbox = Sandbox.create(tmp_path / "forked", getattr(request, "param", "sha1"))
    return fork(sandbox, {MODEL: BASE}, {MODEL: OURS}, {MODEL: THEIRS})


both_formats = pytest.mark.parametrize("forked", ["sha1", "sha256"], indirect=True)
in_sha256 = pytest.mark.parametrize("forked", ["sha256"], indirect=True)


def failed(sandbox: Sandbox, *command: str, **env: str) -> str:
    """What a git command that stops at a conflict says on stderr."""
    done = sandbox.git(*command, check=False, env=env)
    assert done.returncode == 1, f"{done.returncode}: {done.stdout}{done.stderr}"
    return done.stderr + done.stdout


def mixed(*parameters: tuple[str, bytes]) -> bytes:
    """The model with these parameters taken from these files."""
    result = BASE
    for name, source in parameters:
        result = changed(result, name, tensor(source, name))
    return result


# Each side changed something else ------------------------------------------------------------------------------------


@pytest.mark.genuine  # one that Git starts as for anybody, as does what asks for the driver itself below
@both_formats
def test_merge(forked: Sandbox) -> None:
    forked.git("merge", "-q", "--no-edit", "side")
    assert_round_trip(forked, {MODEL: BOTH})


def test_rebase(forked: Sandbox) -> None:
    forked.git("rebase", "-q", "side")
    assert_round_trip(forked, {MODEL: BOTH})


@in_sha256
def test_cherry_pick(forked: Sandbox) -> None:
    forked.git("cherry-pick", "side")
    assert_round_trip(forked, {MODEL: BOTH})


def test_revert_takes_back_what_one_commit_changed(forked: Sandbox) -> None:
    forked.git("merge", "-q", "--no-edit", "side")
    forked.git("revert", "--no-edit", "ours")
    assert_round_trip(forked, {MODEL: THEIRS})


@in_sha256
def test_stash_pop(forked: Sandbox) -> None:
    forked.git("switch", "-q", "side")
    forked.write(MODEL, changed(THEIRS, "layer.weight"))
    forked.git("stash", "-q")
    forked.git("switch", "-q", "main")
    forked.git("stash", "pop", "-q")
    assert forked.read(MODEL) == changed(OURS, "layer.weight")
    assert forked.git("stash", "list").stdout == ""


@in_sha256
def test_merge_tree_touches_nothing_and_gives_the_merged_manifest(forked: Sandbox) -> None:
    tree = forked.git("merge-tree", "--write-tree", "main", "side").stdout.strip()
    assert_round_trip(forked, {MODEL: OURS})
    forked.git("checkout", "-q", tree, "--", MODEL)
    assert forked.read(MODEL) == BOTH


def test_a_file_that_was_renamed_on_one_side(forked: Sandbox) -> None:
    forked.git("mv", MODEL, "renamed.safetensors")
    forked.commit("rename")
    forked.git("merge", "-q", "--no-edit", "side")
    assert_round_trip(forked, {"renamed.safetensors": BOTH})


@in_sha256
def test_a_shallow_clone(forked: Sandbox, tmp_path: Path) -> None:
    """Its objects are fetched when they are needed, though nothing of theirs was ever checked out."""
    Sandbox(forked.root).theta("install", "--global")
    clone = Sandbox.clone(f"file://{forked.root}", tmp_path / "clone", "--depth=2", "--no-single-branch")
    clone.git("merge", "-q", "--no-edit", "origin/side")
    assert_round_trip(clone, {MODEL: BOTH})


def test_a_contested_parameter_in_a_clone_is_fetched(sandbox: Sandbox, tmp_path: Path) -> None:
    contested(sandbox)
    sandbox.theta("install", "--global")
    clone = Sandbox.clone(f"file://{sandbox.root}", tmp_path / "clone")
    clone.git("merge", "-q", "--no-edit", "origin/side", env={"GIT_THETA_STRATEGY": "average"})
    assert tensor(clone.read(MODEL), "layer.weight") == averaged(sandbox)


# Something is contested ----------------------------------------------------------------------------------------------


def averaged(sandbox: Sandbox) -> bytes:
    """The mean of what both sides have for ``layer.weight``."""
    ours, theirs = (np.frombuffer(tensor(at(sandbox, tag), "layer.weight"), "<f4") for tag in ("ours", "theirs"))
    mean: bytes = ((ours + theirs) / np.float32(2)).tobytes()
    return mean


def test_a_conflict_holds_ours_and_all_that_merged(sandbox: Sandbox) -> None:
    contested(sandbox)
    ours, theirs = at(sandbox, "ours"), at(sandbox, "theirs")
    said = failed(sandbox, "merge", "side")
    assert "theta: model.safetensors: 1 contested parameter; the file holds ours:\ntheta:   layer.weight" in said
    assert stages(sandbox) == [1, 2, 3]
    assert sandbox.read(MODEL) == mixed(("embed.weight", ours), ("layer.weight", ours), ("layer.bias", theirs))


@pytest.mark.parametrize("command", ["merge", "cherry-pick", "rebase"])
def test_every_command_names_what_is_contested(sandbox: Sandbox, command: str) -> None:
    contested(sandbox)
    assert "layer.weight" in failed(sandbox, command, "side")
    assert stages(sandbox) == [1, 2, 3]
    sandbox.git(command, "--abort")
    assert_clean(sandbox)
    assert sandbox.read(MODEL) == at(sandbox, "ours")


def test_stash_pop_that_conflicts_keeps_the_stash(sandbox: Sandbox) -> None:
    contested(sandbox)
    sandbox.write(MODEL, changed(sandbox.read(MODEL), "layer.weight", b"abcd"))
    sandbox.git("stash", "-q")
    sandbox.git("checkout", "-q", "side")
    assert "layer.weight" in failed(sandbox, "stash", "pop")
    assert sandbox.git("stash", "list").stdout.count("\n") == 1
    assert tensor(sandbox.read(MODEL), "layer.weight") == tensor(at(sandbox, "theirs"), "layer.weight")


def test_merge_tree_says_that_there_is_a_conflict(sandbox: Sandbox) -> None:
    contested(sandbox)
    assert "layer.weight" in failed(sandbox, "merge-tree", "--write-tree", "main", "side")
    assert_clean(sandbox)


@pytest.mark.parametrize("side", ["ours", "theirs", "base"])
def test_a_strategy_takes_a_side_bit_for_bit(sandbox: Sandbox, side: str) -> None:
    contested(sandbox)
    sandbox.git("merge", "-q", "--no-edit", "side", env={"GIT_THETA_STRATEGY": side})
    expected = mixed(
        ("embed.weight", at(sandbox, "ours")),
        ("layer.bias", at(sandbox, "theirs")),
        ("layer.weight", at(sandbox, side)),
    )
    assert_round_trip(sandbox, {MODEL: expected})


def test_a_strategy_computes(sandbox: Sandbox) -> None:
    contested(sandbox)
    sandbox.git("merge", "-q", "--no-edit", "side", env={"GIT_THETA_STRATEGY": "average"})
    expected = mixed(("embed.weight", at(sandbox, "ours")), ("layer.bias", at(sandbox, "theirs")))
    assert_round_trip(sandbox, {MODEL: changed(expected, "layer.weight", averaged(sandbox))})


def test_a_strategy_that_does_not_exist_is_an_error_that_suggests_one(sandbox: Sandbox) -> None:
    contested(sandbox)
    done = sandbox.git("merge", "side", check=False, env={"GIT_THETA_STRATEGY": "averege"})
    assert done.returncode != 0
    assert "no strategy is called 'averege'" in done.stderr
    assert "average" in done.stderr.partition("hint:")[2]
    aborted(sandbox)


def test_longer_markers_are_no_virtual_ancestor(sandbox: Sandbox) -> None:
    """Git tells a virtual merge base by longer conflict markers; a person may ask for longer ones, too."""
    contested(sandbox)
    with (sandbox.root / ".gitattributes").open("a") as attributes:
        attributes.write(f"{MODEL} conflict-marker-size=20\n")
    sandbox.commit("longer markers")
    assert "layer.weight" in failed(sandbox, "merge", "side")


def crossed(sandbox: Sandbox, ours: bytes, theirs: bytes) -> None:
    """Merge main and side into each other, settling what is contested by these files: two merge bases."""
    for branch, other, settled in [("main", "theirs", ours), ("side", "ours", theirs)]:
        sandbox.git("switch", "-q", branch)
        sandbox.git("merge", "-q", "--no-commit", other, check=False)
        sandbox.write(MODEL, settled)
        sandbox.commit(f"merge {other}")
    sandbox.git("switch", "-q", "main")
    assert sandbox.git("merge-base", "--all", "main", "side").stdout.count("\n") == 2


def test_criss_cross_contests_what_both_settled_differently(sandbox: Sandbox) -> None:
    contested(sandbox)
    ours, theirs = at(sandbox, "ours"), at(sandbox, "theirs")
    crossed(sandbox, ours, theirs)
    said = failed(sandbox, "merge", "side")
    assert "layer.weight" in said
    base = sandbox.git("cat-file", "blob", f":1:{MODEL}").stdout.encode()
    held = {entry.name: entry.oid for entry in decode_manifest(base).parameters()}
    root = decode_manifest(sandbox.git("show", f"base:{MODEL}").stdout.encode())
    assert held["layer.weight"] == {entry.name: entry.oid for entry in root.parameters()}["layer.weight"]


def test_criss_cross_of_files_that_both_added_settles_nothing(sandbox: Sandbox) -> None:
    """Without an ancestor, either side's value as the virtual base would let the other one win unseen."""
    ours, theirs = changed(BASE, "layer.weight"), changed(BASE, "layer.weight", at=4)
    fork(sandbox, {"note": b""}, {MODEL: ours}, {MODEL: theirs})
    crossed(sandbox, ours, theirs)
    assert "layer.weight" in failed(sandbox, "merge", "side")
    assert sandbox.read(MODEL) == ours


# Layouts -------------------------------------------------------------------------------------------------------------

A = ("F32", (2, 2), np.arange(4, dtype="<f4").tobytes())
B = ("F32", (2, 2), np.arange(4, 8, dtype="<f4").tobytes())
C = ("F32", (3,), np.arange(8, 11, dtype="<f4").tobytes())


def test_parameters_that_one_side_added_and_the_other_removed(sandbox: Sandbox) -> None:
    fork(
        sandbox,
        {MODEL: safetensors_bytes({"a": A, "b": B})},
        {MODEL: safetensors_bytes({"a": A, "b": B, "c": C})},
        {MODEL: safetensors_bytes({"a": B})},
    )
    sandbox.git("merge", "-q", "--no-edit", "side")
    assert tensors(sandbox.read(MODEL)) == {"a": B[2], "c": C[2]}
    assert_loads(sandbox.root / MODEL, {"a": (2, 2), "c": (3,)})
    assert_clean(sandbox)


def test_a_parameter_that_one_side_reshaped(sandbox: Sandbox) -> None:
    fork(
        sandbox,
        {MODEL: safetensors_bytes({"a": A, "b": B})},
        {MODEL: safetensors_bytes({"a": C, "b": B})},
        {MODEL: safetensors_bytes({"a": A, "b": A})},
    )
    sandbox.git("merge", "-q", "--no-edit", "side")
    assert tensors(sandbox.read(MODEL)) == {"a": C[2], "b": A[2]}
    assert_loads(sandbox.root / MODEL, {"a": (3,), "b": (2, 2)})


def test_a_parameter_that_one_side_removed_and_the_other_changed(sandbox: Sandbox) -> None:
    fork(
        sandbox,
        {MODEL: safetensors_bytes({"a": A, "b": B})},
        {MODEL: safetensors_bytes({"a": A})},
        {MODEL: safetensors_bytes({"a": A, "b": A})},
    )
    assert "theta:   b\n" in failed(sandbox, "merge", "side")
    assert tensors(sandbox.read(MODEL)) == {"a": A[2]}


def assert_loads(file: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    """The safetensors library reads these tensors in it."""
    import safetensors.numpy

    assert {name: value.shape for name, value in safetensors.numpy.load_file(file).items()} == shapes


def test_both_sides_added_the_file(sandbox: Sandbox) -> None:
    fork(sandbox, {"note": b""}, {MODEL: BASE}, {MODEL: changed(BASE, "layer.bias")})
    assert "theta:   layer.bias\n" in failed(sandbox, "merge", "side")
    assert stages(sandbox) == [2, 3]
    assert sandbox.read(MODEL) == BASE


def test_both_sides_added_the_file_and_a_strategy_needs_no_base(sandbox: Sandbox) -> None:
    ours, theirs = (safetensors_bytes({"a": one}) for one in (A, B))
    fork(sandbox, {"note": b""}, {MODEL: ours}, {MODEL: theirs})
    sandbox.git("merge", "-q", "--no-edit", "side", env={"GIT_THETA_STRATEGY": "average"})
    assert tensor(sandbox.read(MODEL), "a") == np.arange(2, 6, dtype="<f4").tobytes()


def test_there_is_no_base_to_take(sandbox: Sandbox) -> None:
    fork(sandbox, {"note": b""}, {MODEL: BASE}, {MODEL: changed(BASE, "layer.bias")})
    assert "layer.bias (there is no merge base" in failed(sandbox, "merge", "side", GIT_THETA_STRATEGY="base")


def test_deleted_against_modified_is_git_s_own_conflict(sandbox: Sandbox) -> None:
    fork(sandbox, {MODEL: BASE}, {MODEL: None, "other": b""}, {MODEL: THEIRS})
    assert "CONFLICT (modify/delete)" in failed(sandbox, "merge", "side")
    assert stages(sandbox) == [1, 3]
    assert sandbox.read(MODEL) == THEIRS


# torch ---------------------------------------------------------------------------------------------------------------


def saved(value: Any) -> bytes:
    """A file of ``torch.save``."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def state(**changes: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4), "c": torch.zeros(2, dtype=torch.int64)} | changes


def read(sandbox: Sandbox) -> Any:
    """The merged archive as torch reads it, whose checksums are right."""
    file = sandbox.root / "model.pt"
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
    return torch.load(file, weights_only=True)


def same(found: Any, expected: dict[str, torch.Tensor]) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


PT = "model.pt"


def test_torch_archives(sandbox: Sandbox) -> None:
    ours, theirs = state(a=torch.full((2, 3), 7.0)), state(b=torch.full((4,), 9.0))
    fork(sandbox, {PT: saved(state())}, {PT: saved(ours)}, {PT: saved(theirs)})
    sandbox.git("merge", "-q", "--no-edit", "side")
    assert same(read(sandbox), state(a=ours["a"], b=theirs["b"]))
    assert_clean(sandbox)


def test_torch_archives_with_a_contested_parameter(sandbox: Sandbox) -> None:
    ours, theirs = (
        state(a=torch.full((2, 3), 7.0)),
        state(a=torch.full((2, 3), 9.0), c=torch.ones(2, dtype=torch.int64)),
    )
    fork(sandbox, {PT: saved(state())}, {PT: saved(ours)}, {PT: saved(theirs)})
    said = failed(sandbox, "merge", "side")
    assert "1 contested parameter" in said and "theta:   a\n" in said
    assert same(read(sandbox), state(a=ours["a"], c=theirs["c"]))
    sandbox.git("merge", "--abort")
    sandbox.git("merge", "-q", "--no-edit", "side", env={"GIT_THETA_STRATEGY": "average"})
    assert same(read(sandbox), state(a=torch.full((2, 3), 8.0), c=theirs["c"]))


def test_torch_archives_that_both_sides_added(sandbox: Sandbox) -> None:
    """Their frames differ in checksums alone, which is no conflict."""
    ours, theirs = state(a=torch.full((2, 3), 7.0)), state(a=torch.full((2, 3), 9.0))
    fork(sandbox, {"note": b""}, {PT: saved(ours)}, {PT: saved(theirs)})
    said = failed(sandbox, "merge", "side")
    assert "1 contested parameter" in said and "theta:   a\n" in said


def test_torch_archives_in_which_each_side_added_a_parameter(sandbox: Sandbox) -> None:
    ours, theirs = state(d=torch.full((3,), 7.0)), state(b=torch.full((4,), 9.0), e=torch.full((1,), 3.0))
    fork(sandbox, {PT: saved(state())}, {PT: saved(ours)}, {PT: saved(theirs)})
    sandbox.git("merge", "-q", "--no-edit", "side")
    assert same(read(sandbox), {**theirs, "d": ours["d"]})


def tied(value: torch.Tensor, **others: torch.Tensor) -> bytes:
    return saved({"embed": value, "head": value, "bias": torch.zeros(3)} | others)


def test_tied_parameters_stay_tied(sandbox: Sandbox) -> None:
    ours, theirs = torch.full((2, 3), 7.0), torch.full((3,), 9.0)
    fork(sandbox, {PT: tied(torch.ones(2, 3))}, {PT: tied(ours)}, {PT: tied(torch.ones(2, 3), bias=theirs)})
    sandbox.git("merge", "-q", "--no-edit", "side")
    found = read(sandbox)
    assert same(found, {"embed": ours, "head": ours, "bias": theirs})
    assert found["embed"].data_ptr() == found["head"].data_ptr()


def test_a_tie_that_one_side_broke_and_the_other_changed_is_contested(sandbox: Sandbox) -> None:
    broken = saved({"embed": torch.zeros(2, 3), "head": torch.full((2, 3), 2.0), "bias": torch.zeros(3)})
    fork(sandbox, {PT: tied(torch.ones(2, 3))}, {PT: tied(torch.full((2, 3), 7.0))}, {PT: broken})
    assert "theta:   embed, head" in failed(sandbox, "merge", "side", GIT_THETA_STRATEGY="average")
    found = read(sandbox)
    assert found["embed"].data_ptr() == found["head"].data_ptr()


# What is no parameter ------------------------------------------------------------------------------------------------


def tagged(checkpoint: bytes, tag: str) -> bytes:
    """The model with other metadata."""
    length = int.from_bytes(checkpoint[:8], "little")
    header = json.dumps({"__metadata__": {"by": tag}} | json.loads(checkpoint[8 : 8 + length])).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + checkpoint[8 + length :]


@pytest.fixture
def reframed(sandbox: Sandbox) -> Sandbox:
    """Both sides changed the metadata, and each one a parameter."""
    return fork(sandbox, {MODEL: BASE}, {MODEL: tagged(OURS, "ours")}, {MODEL: tagged(THEIRS, "theirs")})


def test_metadata_that_both_sides_changed_conflicts(reframed: Sandbox) -> None:
    assert "(frame) by (base none; ours 'ours'; theirs 'theirs')" in failed(reframed, "merge", "side")
    assert stages(reframed) == [1, 2, 3]
    assert reframed.read(MODEL) == tagged(BOTH, "ours")


@pytest.mark.parametrize(("strategy", "tag"), [("ours", "ours"), ("theirs", "theirs"), ("average", "ours")])
def test_a_strategy_settles_metadata(reframed: Sandbox, strategy: str, tag: str) -> None:
    done = reframed.git("merge", "--no-edit", "side", env={"GIT_THETA_STRATEGY": strategy})
    assert reframed.read(MODEL) == tagged(BOTH, tag)
    assert ("both sides changed (frame) by; ours is kept" in done.stderr) == (strategy == "average")


def training(folder: Path, name: str, **changed: Any) -> bytes:
    """A checkpoint of a training as torch saves it to a file of that name: tensors, arrays, and plain values."""
    values: dict[str, Any] = {
        "w": torch.zeros(2, 3),
        "ema": {at: np.zeros(40, "f4") for at in "xyz"},
        "step": 1,
        "lr": 0.1,
    }
    for key, value in changed.items():
        if key in "xyz":
            values["ema"][key] = np.full(40, value, "f4")
        else:
            values[key] = value
    torch.save(values, folder / name)
    return (folder / name).read_bytes()


def test_what_is_pickled_merges_by_key_whatever_the_file_was_called(sandbox: Sandbox, tmp_path: Path) -> None:
    base, ours, theirs = (
        training(tmp_path, "model.pt"),
        training(tmp_path, "model.pt.tmp-4711", x=1, step=2, w=torch.ones(2, 3)),
        training(tmp_path, "m", y=1, lr=0.2),
    )
    fork(sandbox, {PT: base}, {PT: ours}, {PT: theirs})
    sandbox.git("merge", "-q", "--no-edit", "side", env={"GIT_THETA_STRATEGY": "average"})
    content = sandbox.read(PT)
    found = torch.load(io.BytesIO(content), weights_only=False)
    assert (found["step"], found["lr"], [found["ema"][at][0] for at in "xyz"]) == (2, 0.2, [1, 1, 0])
    assert torch.equal(found["w"], torch.ones(2, 3))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
    assert_clean(sandbox)


def test_no_strategy_that_computes_settles_what_may_be_weights(sandbox: Sandbox, tmp_path: Path) -> None:
    """It used to keep ours for all of it, with exit 0: the other side's arrays were gone."""
    base, ours, theirs = (training(tmp_path, "m.pt", x=at, step=at) for at in range(3))
    fork(sandbox, {PT: base}, {PT: ours}, {PT: theirs})
    said = failed(sandbox, "merge", "side", GIT_THETA_STRATEGY="average")
    assert "(frame) ema.x (average computes with parameters, and this may be more than metadata" in said
    assert "(frame) step" not in said.split("contested parameter")[1]
    assert stages(sandbox, PT) == [1, 2, 3]
    sandbox.theta("resolve", "--theirs", "--only", "(frame) ema.x")
    found = torch.load(io.BytesIO(sandbox.read(PT)), weights_only=False)
    assert (found["ema"]["x"][0], found["step"]) == (2, 1)


def test_metadata_that_one_side_changed(sandbox: Sandbox) -> None:
    fork(sandbox, {MODEL: BASE}, {MODEL: OURS}, {MODEL: tagged(THEIRS, "theirs")})
    sandbox.git("merge", "-q", "--no-edit", "side")
    assert_round_trip(sandbox, {MODEL: tagged(BOTH, "theirs")})


# Files without parameters --------------------------------------------------------------------------------------------


def test_opaque_files_conflict_as_a_whole(sandbox: Sandbox) -> None:
    fork(sandbox, {MODEL: b"base" * 99}, {MODEL: b"ours" * 99}, {MODEL: b"theirs" * 99})
    assert "(frame)" in failed(sandbox, "merge", "side")
    assert sandbox.read(MODEL) == b"ours" * 99
    sandbox.git("merge", "--abort")
    assert "average cannot compute" in failed(sandbox, "merge", "side", GIT_THETA_STRATEGY="average")
    sandbox.git("merge", "--abort")
    sandbox.git("merge", "-q", "--no-edit", "side", env={"GIT_THETA_STRATEGY": "theirs"})
    assert_round_trip(sandbox, {MODEL: b"theirs" * 99})


def test_an_opaque_file_that_one_side_changed(sandbox: Sandbox) -> None:
    fork(sandbox, {MODEL: b"base" * 99, "note": b""}, {MODEL: b"base" * 99, "note": b"x"}, {MODEL: b"theirs" * 99})
    sandbox.git("merge", "-q", "--no-edit", "side")
    assert_round_trip(sandbox, {MODEL: b"theirs" * 99})


@pytest.mark.parametrize("content", [THEIRS, b""], ids=["raw", "empty"])
def test_a_side_that_is_no_manifest_conflicts(sandbox: Sandbox, content: bytes) -> None:
    fork(sandbox, {MODEL: BASE}, {MODEL: OURS}, {})
    sandbox.git("switch", "-q", "side")
    oid = sandbox.git("hash-object", "-w", "--no-filters", sandbox.write(".git/raw", content)).stdout.strip()
    sandbox.git("update-index", "--cacheinfo", f"100644,{oid},{MODEL}")
    sandbox.git("commit", "-q", "-m", "raw")
    sandbox.git("checkout", "-qf", "main")
    assert "one side is no manifest of ours" in failed(sandbox, "merge", "side")
    assert sandbox.read(MODEL) == OURS
    assert stages(sandbox) == [1, 2, 3]


# Errors --------------------------------------------------------------------------------------------------------------


def driven(
    sandbox: Sandbox, base: bytes, ours: bytes, theirs: bytes, *labels: str, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run the driver on three texts, as Git does: from 2.44 on with what it calls ours and theirs."""
    for name, text in zip("OAB", (base, ours, theirs), strict=True):
        sandbox.write(f".git/{name}", text)
    files = [f".git/{name}" for name in "OAB"]
    program = [sys.executable, "-I", "-m", "git_theta.cli.merge_driver"]
    return sandbox.run(*program, *files, "7", MODEL, *labels, check=False, env=env)


def manifests(sandbox: Sandbox) -> tuple[bytes, bytes, bytes]:
    base, ours, theirs = (sandbox.git("show", f"{tag}:{MODEL}").stdout.encode() for tag in ("base", "ours", "theirs"))
    return base, ours, theirs


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["HEAD", "a1b2 (A subject)"], "between ours (HEAD) and theirs (a1b2 (A subject)); the file holds ours"),
        (["HEAD", "evil\x1b[2J"], "theirs (evil\\x1b[2J)"),
        (["%X", "%Y"], "1 contested parameter; the file holds ours:"),
        ([], "1 contested parameter; the file holds ours:"),
    ],
)
def test_a_conflict_names_sides_as_git_does_where_it_tells(sandbox: Sandbox, labels: list[str], said: str) -> None:
    contested(sandbox)
    done = driven(sandbox, *manifests(sandbox), *labels)
    assert done.returncode == 1
    assert said in done.stderr


def aborted(sandbox: Sandbox) -> None:
    """After an error all is as before, or `git merge --abort` makes it so (for git < 2.42 it was a conflict)."""
    if (sandbox.root / ".git/MERGE_HEAD").exists():
        sandbox.git("merge", "--abort")
    assert sandbox.git("rev-parse", "HEAD").stdout == sandbox.git("rev-parse", "ours").stdout
    assert_clean(sandbox)


@pytest.mark.parametrize("damage", ["missing", "corrupt"])
def test_an_object_that_cannot_be_read_is_an_error(sandbox: Sandbox, damage: str) -> None:
    contested(sandbox)
    [lost] = objects_of(sandbox, "theirs", "layer.weight")
    if damage == "missing":
        lost.unlink()
    else:
        lost.chmod(0o644)
        lost.write_bytes(bytes(lost.stat().st_size))
    done = driven(sandbox, *manifests(sandbox), GIT_THETA_STRATEGY="average")
    assert done.returncode == 128 + (3 if damage == "missing" else 4), done.stderr
    assert lost.name in done.stderr and "layer.weight" in done.stderr and "hint: " in done.stderr
    assert sandbox.read(".git/A") == manifests(sandbox)[1]
    assert sandbox.git("merge", "side", check=False, env={"GIT_THETA_STRATEGY": "average"}).returncode != 0
    aborted(sandbox)
    assert sandbox.read(MODEL) == at(sandbox, "ours")


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_manifest_of_a_newer_version_is_an_error(forked: Sandbox, which: int) -> None:
    texts = list(manifests(forked))
    texts[which] = texts[which].replace(b"manifest 1\n", b"manifest 2\n", 1)
    base, ours, theirs = texts
    done = driven(forked, base, ours, theirs)
    assert done.returncode == 128 + 5, done.stderr
    assert "version 2" in done.stderr
    assert forked.read(".git/A") == texts[1]


def test_a_damaged_manifest_is_an_error(forked: Sandbox) -> None:
    base, ours, theirs = manifests(forked)
    assert driven(forked, base, ours, theirs[:-9]).returncode == 128 + 5


# L8: ids first -------------------------------------------------------------------------------------------------------

PROBE = """\
import sys
from git_theta.cli import merge_driver
code = merge_driver.run_driver()
open({report!r}, "w").write(" ".join(sys.modules))
sys.exit(code)
"""


def probed(sandbox: Sandbox, folder: Path, **env: str) -> set[str]:
    """Merge with a driver that reports what it imported."""
    report, script = folder / "modules", folder / "probe.py"
    script.write_text(PROBE.format(report=str(report)))
    driver = f"{shlex.quote(sys.executable)} -I {shlex.quote(str(script))} %O %A %B %L %P"
    sandbox.git("-c", f"merge.theta.driver={driver}", "merge", "-q", "--no-commit", "side", env=env)
    return set(report.read_text().split())


def test_l8_what_ids_settle_imports_no_torch_and_reads_no_tensor(sandbox: Sandbox, tmp_path: Path) -> None:
    large = {"a": (600, 600), "b": (600, 600), "c": (600, 600)}
    base = model(0, **large)
    fork(sandbox, {MODEL: base}, {MODEL: changed(base, "a")}, {MODEL: changed(base, "b")})
    for tag, name in [("base", "a"), ("base", "b"), ("base", "c"), ("ours", "a"), ("theirs", "b")]:
        for lost in objects_of(sandbox, tag, name):
            shutil.move(lost, tmp_path / lost.name)
    assert driven(sandbox, *manifests(sandbox)).returncode == 0
    merged = {entry.name: entry.oid for entry in decode_manifest(sandbox.read(".git/A")).parameters()}
    ours, theirs = (
        {entry.name: entry.oid for entry in decode_manifest(text).parameters()} for text in manifests(sandbox)[1:]
    )
    assert merged == {"a": ours["a"], "b": theirs["b"], "c": ours["c"]}


@pytest.mark.parametrize("kind", ["safetensors", "torch"])
def test_l8_and_loads_neither_torch_nor_numpy(
    sandbox: Sandbox, tmp_path: Path, kind: Literal["safetensors", "torch"]
) -> None:
    if kind == "safetensors":
        fork(sandbox, {MODEL: BASE}, {MODEL: OURS}, {MODEL: THEIRS})
    else:
        ours, theirs = saved(state(a=torch.zeros(2, 3))), saved(state(b=torch.zeros(4)))
        fork(sandbox, {PT: saved(state())}, {PT: ours}, {PT: theirs})
    modules = probed(sandbox, tmp_path)
    assert "git_theta.operations.merging.apply_plan" in modules
    assert "torch" not in modules
    if kind == "safetensors":
        assert "numpy" not in modules


def test_the_probe_sees_what_a_strategy_brings(sandbox: Sandbox, tmp_path: Path) -> None:
    contested(sandbox)
    assert "numpy" in probed(sandbox, tmp_path, GIT_THETA_STRATEGY="average")


@in_sha256
def test_what_git_holds_after_a_merge_is_a_manifest(forked: Sandbox) -> None:
    forked.git("merge", "-q", "--no-edit", "side")
    text = forked.git("cat-file", "blob", f"HEAD:{MODEL}").stdout.encode()
    assert is_manifest(text)
    record(forked, {MODEL: BOTH}, "again")
    assert forked.git("cat-file", "blob", f"HEAD:{MODEL}").stdout.encode() == text


def test_many_contested_parameters_are_told_in_a_few_lines(sandbox: Sandbox) -> None:
    shapes = {f"model.layer.{layer}.part.{number}.weight": 2 for layer in range(2) for number in range(41)}
    sandbox.theta("track", "*.safetensors")
    for seed, branch in enumerate(["main", "ours", "theirs"]):
        if seed:
            sandbox.git("switch", "--quiet", "--create", branch, "main")
        sandbox.write("model.safetensors", model(seed, **shapes))
        sandbox.commit(branch)
    done = sandbox.git("merge", "ours", check=False)
    told = [line for line in done.stderr.splitlines() if "model.layer" in line]
    assert told == [f"theta:   model.layer.{layer}.part.*: 41 parameters" for layer in range(2)]
    assert sandbox.theta("status", check=False).stdout.count("contested: ") == 2
    left = sandbox.theta("resolve", check=False)
    assert left.stdout.count("41 parameters") == 2
    assert sandbox.theta("resolve", "--only", "*layer.0*", "--ours", check=False).returncode == 1
