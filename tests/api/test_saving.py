"""Commits from Python: what is in them, and what they leave alone."""

from __future__ import annotations

from pathlib import Path
from threading import Thread
from typing import Any

import git
import ml_dtypes
import numpy as np
import pytest
import torch

import git_theta
from git_theta.errors import BranchMoved, UsageError
from tests.api.api_repositories import FILE, two_versions, values_of
from tests.sandbox import Sandbox, model, track_and_commit

TENSORS: dict[str, Any] = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(4, np.float16)}


def save(sandbox: Sandbox, tensors: Any, **given: Any) -> git.Commit:
    usual: dict[str, Any] = {"message": "saved", "branch": "runs/7", "repo": sandbox.root}
    return git_theta.save(tensors, FILE, **usual | given)


def test_what_is_saved_is_loaded_again(sandbox: Sandbox) -> None:
    two_versions(sandbox)
    tensors = TENSORS | {
        "bf16": np.arange(3).astype(ml_dtypes.bfloat16), "big": np.arange(4, dtype=">f4"),
        "strided": np.arange(12, dtype=np.int64).reshape(3, 4).T, "scalar": np.array(3, np.float32),
    }  # fmt: skip
    commit = save(sandbox, tensors)
    assert (commit.message, commit.hexsha) == ("saved\n", sandbox.git("rev-parse", "runs/7").stdout.strip())
    found = git_theta.load(FILE, commit, sandbox.root)
    assert found.keys() == tensors.keys()
    for name, value in tensors.items():
        assert (found[name].dtype, found[name].shape) == (value.dtype.newbyteorder("<"), value.shape)
        assert np.array_equal(found[name], value)


def test_tensors_of_torch_are_saved_with_their_bits(sandbox: Sandbox) -> None:
    two_versions(sandbox)
    tensors = {
        "bf16": torch.randn(5, 3, dtype=torch.bfloat16), "fp8": torch.ones(4).to(torch.float8_e5m2),
        "turned": torch.arange(6.0).reshape(2, 3).T, "trained": torch.nn.Parameter(torch.zeros(2)),
    }  # fmt: skip
    save(sandbox, tensors)
    found = git_theta.load(FILE, "runs/7", sandbox.root, framework="torch")
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name].view(torch.uint8), tensor.detach().contiguous().view(torch.uint8))


def test_parameters_of_another_version_are_tensors_too(sandbox: Sandbox) -> None:
    _, second = two_versions(sandbox)
    save(sandbox, git_theta.open(FILE, "dev", sandbox.root).select("head.*"))
    found = git_theta.load(FILE, "runs/7", sandbox.root)
    assert list(found) == ["head.weight", "head.bias"]
    assert np.array_equal(found["head.weight"], values_of(second)["head.weight"])


def test_git_has_what_it_would_have_added_itself(sandbox: Sandbox) -> None:
    """L2: the file that a save stands for, added by `git add`, is the same blob."""
    two_versions(sandbox)
    save(sandbox, TENSORS)
    sandbox.git("switch", "--quiet", "runs/7")
    assert np.array_equal(values_of(sandbox.read(FILE))["a"], TENSORS["a"])
    assert sandbox.git("status", "--porcelain").stdout == ""
    sandbox.git("rm", "--quiet", "--cached", FILE)
    sandbox.git("add", FILE)
    assert sandbox.git("rev-parse", f":{FILE}").stdout == sandbox.git("rev-parse", f"HEAD:{FILE}").stdout


def test_a_new_file_is_one_that_the_library_would_write(sandbox: Sandbox) -> None:
    from safetensors import safe_open

    track_and_commit(sandbox, {"other.safetensors": model()})
    save(sandbox, TENSORS)
    with git_theta.checkout_dir("runs/7", FILE, sandbox.root) as folder, safe_open(folder / FILE, "numpy") as file:
        assert file.metadata() == {"format": "pt"}
        assert np.array_equal(file.get_tensor("b"), TENSORS["b"])


def test_neither_index_nor_worktree_nor_head_is_touched(sandbox: Sandbox) -> None:
    first, _ = two_versions(sandbox)
    sandbox.write("notes.txt", b"not committed")
    sandbox.git("add", "notes.txt")
    before = [
        sandbox.git(*command.split()).stdout for command in ("status --porcelain", "rev-parse HEAD", "ls-files -s")
    ]
    index = (sandbox.root / ".git" / "index").read_bytes()
    save(sandbox, TENSORS)
    assert (sandbox.root / ".git" / "index").read_bytes() == index
    assert sandbox.read(FILE) == first
    assert before == [
        sandbox.git(*command.split()).stdout for command in ("status --porcelain", "rev-parse HEAD", "ls-files -s")
    ]
    assert sandbox.git("diff", "--name-only", "main", "runs/7").stdout.split() == [FILE]


def test_a_new_branch_starts_at_head_and_an_old_one_goes_on(sandbox: Sandbox) -> None:
    two_versions(sandbox)
    first = save(sandbox, TENSORS)
    assert [one.hexsha for one in first.parents] == [sandbox.git("rev-parse", "main").stdout.strip()]
    second = save(sandbox, TENSORS | {"a": TENSORS["a"] + 1})
    assert [one.hexsha for one in second.parents] == [first.hexsha]
    merged = save(sandbox, TENSORS, branch="merged", parents=["dev", second])
    assert [one.hexsha for one in merged.parents] == [sandbox.git("rev-parse", "dev").stdout.strip(), second.hexsha]
    for number, parents in enumerate(("main", first)):
        [parent] = save(sandbox, TENSORS, branch=f"alone/{number}", parents=parents).parents
        assert parent.hexsha == sandbox.git("rev-parse", str(parents)).stdout.strip()


def test_what_did_not_change_is_not_stored_again(sandbox: Sandbox) -> None:
    first, _ = two_versions(sandbox)
    tensors = values_of(first)
    save(sandbox, tensors)
    store = sandbox.root / ".git" / "theta" / "objects"
    objects = {file for file in store.rglob("*") if len(file.name) == 64}
    assert sandbox.git("rev-parse", f"runs/7:{FILE}").stdout == sandbox.git("rev-parse", f"main:{FILE}").stdout
    save(sandbox, tensors | {"head.bias": tensors["head.bias"] + 1})
    added = {file for file in store.rglob("*") if len(file.name) == 64} - objects
    assert sum(file.stat().st_size for file in added) == 16


def test_the_file_is_built_like_the_one_that_was_there(sandbox: Sandbox, tmp_path: Path) -> None:
    """Format, metadata and order; torch's archives too, with what is no tensor in them."""
    torch.save(
        {"state": {"w": torch.zeros(3), "tied": (one := torch.ones(2)), "also": one}, "step": 7}, tmp_path / "m.pt"
    )
    track_and_commit(sandbox, {"m.pt": (tmp_path / "m.pt").read_bytes()}, "*.pt")
    tensors = git_theta.load("m.pt", "HEAD", sandbox.root)
    assert sorted(tensors) == ["state.also", "state.tied", "state.w"]
    tensors["state.w"] = np.full(3, 5, np.float32)
    git_theta.save(tensors, "m.pt", message="trained", branch="runs/8", repo=sandbox.root)
    with git_theta.checkout_dir("runs/8", "m.pt", sandbox.root) as folder:
        found = torch.load(folder / "m.pt", weights_only=True)
    assert found["step"] == 7
    assert found["state"]["w"].tolist() == [5, 5, 5]
    assert found["state"]["tied"].data_ptr() == found["state"]["also"].data_ptr()


def test_another_version_may_be_built_like(sandbox: Sandbox) -> None:
    track_and_commit(sandbox, {"old.safetensors": model(b=3, a=3)})
    tensors = {"a": np.zeros(3, np.float32), "b": np.ones(3, np.float32)}
    git_theta.save(tensors, FILE, message="m", branch="x", repo=sandbox.root, like="HEAD:old.safetensors")
    assert list(git_theta.open(FILE, "x", sandbox.root)) == ["b", "a"]
    with pytest.raises(UsageError, match="no checkpoint to build like"):
        save(sandbox, tensors, like="HEAD")


def test_a_branch_that_is_not_where_it_was_expected_stays_where_it_is(sandbox: Sandbox) -> None:
    two_versions(sandbox)
    first = save(sandbox, TENSORS)
    second = save(sandbox, TENSORS, expect=first)
    with pytest.raises(BranchMoved, match="the branch 'runs/7' is at") as caught:
        save(sandbox, TENSORS, expect=first)
    assert caught.value.hint
    with pytest.raises(BranchMoved, match="is at no commit"):
        save(sandbox, TENSORS, branch="runs/new", expect=first)
    assert sandbox.git("rev-parse", "runs/7").stdout.strip() == second.hexsha


def test_of_several_who_save_at_once_nobodys_commit_is_lost(sandbox: Sandbox) -> None:
    two_versions(sandbox)
    save(sandbox, TENSORS)
    done: list[str] = []
    moved: list[BranchMoved] = []

    def save_some(number: int) -> None:
        for step in range(4):
            try:
                commit = save(sandbox, {"a": np.full(3, number + step / 10, np.float32)}, message=f"{number}.{step}")
                done.append(commit.hexsha)
            except BranchMoved as error:
                moved.append(error)

    threads = [Thread(target=save_some, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) + len(moved) == 12
    assert sorted(sandbox.git("rev-list", f"runs/7~{len(done)}..runs/7").stdout.split()) == sorted(done)


def test_a_branch_that_is_checked_out_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    two_versions(sandbox)
    sandbox.git("worktree", "add", "--quiet", tmp_path / "other", "dev")
    for branch in ("main", "dev", "refs/heads/dev"):
        before = sandbox.git("rev-parse", branch).stdout
        with pytest.raises(UsageError, match="is checked out in") as caught:
            save(sandbox, TENSORS, branch=branch)
        assert "git add" in caught.value.hint
        assert sandbox.git("rev-parse", branch).stdout == before


def test_a_bare_repository_may_be_saved_to(sandbox: Sandbox, tmp_path: Path) -> None:
    two_versions(sandbox)
    sandbox.git("clone", "--quiet", "--bare", ".", tmp_path / "bare.git")
    commit = git_theta.save(TENSORS, FILE, message="m", branch="main", repo=git.Repo(tmp_path / "bare.git"))
    assert np.array_equal(git_theta.load(FILE, "main", tmp_path / "bare.git")["a"], TENSORS["a"])
    assert len(commit.parents) == 1


def test_who_has_another_hook_is_told_that_pushes_will_not_carry_it(sandbox: Sandbox) -> None:
    two_versions(sandbox)
    hook = sandbox.root / ".git/hooks/pre-push"
    hook.write_text("#!/bin/sh\nexit 0\n")
    hook.chmod(0o755)
    with pytest.warns(UserWarning, match="pushes will not carry"):
        save(sandbox, TENSORS)


def test_a_push_takes_the_objects_along(sandbox: Sandbox, tmp_path: Path) -> None:
    two_versions(sandbox)
    sandbox.git("init", "--quiet", "--bare", tmp_path / "remote.git")
    sandbox.git("remote", "add", "origin", tmp_path / "remote.git")
    save(sandbox, TENSORS)
    sandbox.git("push", "--quiet", "origin", "runs/7")
    assert np.array_equal(git_theta.load(FILE, "runs/7", tmp_path / "remote.git")["a"], TENSORS["a"])


@pytest.mark.parametrize(
    ("tensors", "given", "words"),
    [
        (TENSORS, {"branch": "a..b"}, "no branch can be called"),
        (TENSORS, {"message": " "}, "needs a message"),
        ({"a": [1, 2]}, {}, "a: it is no dense tensor but list"),
        ({"a": np.array(["x"])}, {}, "a: it is no dense tensor but ndarray of <U1"),
        ({"a": torch.eye(2).to_sparse()}, {}, "a: it is no dense tensor but Tensor"),
        ({"a": torch.zeros(2, dtype=torch.complex128)}, {}, "safetensors files cannot hold C128"),
        (TENSORS, {"parents": ["no-such"]}, "is no commit here"),
    ],
)
def test_what_cannot_be_saved_says_why_and_changes_nothing(
    sandbox: Sandbox, tensors: Any, given: dict[str, Any], words: str
) -> None:
    two_versions(sandbox)
    refs = sandbox.git("for-each-ref").stdout
    with pytest.raises(UsageError, match=words) as caught:
        save(sandbox, tensors, **given)
    assert caught.value.hint
    assert sandbox.git("for-each-ref").stdout == refs


def test_a_path_that_git_would_not_restore_is_refused(sandbox: Sandbox) -> None:
    two_versions(sandbox)
    with pytest.raises(UsageError, match=r"no pattern of commit .* tracks it") as caught:
        git_theta.save(TENSORS, "weights.bin", message="m", branch="x", repo=sandbox.root)
    assert "git theta track" in caught.value.hint
    with pytest.raises(UsageError, match="only safetensors files are made from nothing"):
        sandbox.theta("track", "*.pt")
        sandbox.commit()
        git_theta.save(TENSORS, "model.pt", message="m", branch="x", repo=sandbox.root)


def test_an_empty_repository_has_nothing_to_save_on(sandbox: Sandbox) -> None:
    with pytest.raises(UsageError, match="nothing is committed here yet"):
        save(sandbox, TENSORS)
