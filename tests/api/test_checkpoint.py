"""Versions of checkpoints, opened from Python: wherever they are, lazily, and whole."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import git
import numpy as np
import pytest

import git_theta
from git_theta.errors import GitError, MissingObject, UsageError
from tests.api.api_repositories import FILE, forget_objects, two_versions, values_of
from tests.sandbox import Sandbox, changed, model, safetensors_bytes, track_and_commit
from tests.sharded_checkpoints import INDEX, replace_files, shard_name, sharded, tensor_of


def require_same(found: git_theta.Checkpoint, content: bytes) -> None:
    expected = values_of(content)
    assert sorted(found) == sorted(expected)
    for name, value in expected.items():
        assert np.array_equal(found[name].numpy(), value), name


def test_each_revision_gives_its_own_values(sandbox: Sandbox) -> None:
    first, second = two_versions(sandbox)
    require_same(git_theta.open(FILE, "v1.0", sandbox.root), first)
    require_same(git_theta.open(FILE, "dev", sandbox.root), second)
    require_same(git_theta.open(FILE, "dev~1", sandbox.root), first)
    require_same(git_theta.open(FILE, git.Repo(sandbox.root).commit("dev"), git.Repo(sandbox.root)), second)


def test_it_says_what_it_is(sandbox: Sandbox) -> None:
    two_versions(sandbox)
    found = git_theta.open(FILE, "dev", sandbox.root)
    commit = sandbox.git("rev-parse", "dev").stdout.strip()
    assert (found.path, found.revision, found.commit, len(found)) == (FILE, "dev", commit, 4)
    assert list(found) == ["encoder.weight", "encoder.bias", "head.weight", "head.bias"]
    assert repr(found) == "<Checkpoint 'model.safetensors' at dev, 4 parameters>"
    assert repr(found["head.bias"]) == "<Parameter 'head.bias' F32 [4]>"
    with pytest.raises(KeyError, match=r"'head' is no parameter of model.safetensors"):
        found["head"]


def test_without_a_revision_it_is_the_worktrees_file(sandbox: Sandbox) -> None:
    first, second = two_versions(sandbox)
    sandbox.write(FILE, second)
    opened = git_theta.open(FILE, repo=sandbox.root)
    require_same(opened, second)
    assert (opened.revision, opened.commit) == ("", "")
    (sandbox.root / FILE).unlink()
    require_same(git_theta.open(FILE, repo=sandbox.root), first)


def test_a_manifest_in_the_worktree_stands_for_what_the_index_has(sandbox: Sandbox) -> None:
    first, _ = two_versions(sandbox)
    sandbox.write(FILE, sandbox.git("cat-file", "blob", f"dev:{FILE}").stdout.encode())
    require_same(git_theta.open(FILE, repo=sandbox.root), first)


def test_paths_start_at_the_folder_that_was_named(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    content = model()
    track_and_commit(sandbox, {f"models/{FILE}": content})
    require_same(git_theta.open(FILE, "HEAD", sandbox.root / "models"), content)
    require_same(git_theta.open(sandbox.root / "models" / FILE, "HEAD", sandbox.root), content)
    monkeypatch.chdir(sandbox.root / "models")
    require_same(git_theta.open(FILE, "HEAD"), content)
    require_same(git_theta.open(f"models/{FILE}", "HEAD", ".."), content)
    with pytest.raises(UsageError, match="outside of the repository"):
        git_theta.open("../../elsewhere", "HEAD")


def test_a_bare_repository_will_do(sandbox: Sandbox, tmp_path: Path) -> None:
    _, second = two_versions(sandbox)
    sandbox.git("clone", "--quiet", "--bare", ".", tmp_path / "bare.git")
    sandbox.git("push", "--quiet", tmp_path / "bare.git", "dev")
    require_same(git_theta.open(FILE, "dev", tmp_path / "bare.git"), second)
    require_same(git_theta.open(FILE, "dev", git.Repo(tmp_path / "bare.git")), second)
    with pytest.raises(UsageError, match="a bare repository without a revision") as caught:
        git_theta.open(FILE, repo=tmp_path / "bare.git")
    assert "rev=" in caught.value.hint


def test_a_file_that_was_committed_before_it_was_tracked_is_read(sandbox: Sandbox) -> None:
    content = model(seed=3)
    sandbox.write(FILE, content)
    raw = sandbox.commit()
    (sandbox.root / FILE).unlink()
    opened = git_theta.open(FILE, raw, sandbox.root)
    require_same(opened, content)
    track_and_commit(sandbox, {FILE: content})
    assert [one.oid for one in opened.values()] == [
        one.oid for one in git_theta.open(FILE, "HEAD", sandbox.root).values()
    ]


def test_shards_are_one_mapping_by_their_index_and_by_each_of_them(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    replace_files(sandbox, sharded("ab", "cd", c=1.0), "two shards")
    for path in (INDEX, shard_name(1, 2), shard_name(2, 2)):
        for rev in ("HEAD", None):
            found = git_theta.open(path, rev, sandbox.root)
            assert (found.path, sorted(found)) == (INDEX, ["a", "b", "c", "d"])
            assert np.array_equal(found["c"].numpy(), tensor_of("c", 1.0))
            assert found["c"].path == shard_name(2, 2)


def test_of_a_name_in_two_shards_the_one_that_the_index_names_counts(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    files = sharded("ab", "cd")
    other = safetensors_bytes({name: ("F32", (1024,), tensor_of(name, 9.0).tobytes()) for name in "ac"})
    replace_files(sandbox, files | {shard_name(1, 2): other}, "c stands twice")
    assert np.array_equal(git_theta.open(INDEX, "HEAD", sandbox.root)["c"].numpy(), tensor_of("c"))


def test_numbered_shards_without_an_index_belong_together(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    replace_files(sandbox, {path: text for path, text in sharded("ab", "cd").items() if path != INDEX}, "no index")
    assert sorted(git_theta.open(shard_name(1, 2), "HEAD", sandbox.root)) == ["a", "b", "c", "d"]


def test_an_index_that_names_a_missing_shard_is_refused(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    files = sharded("ab", "cd")
    replace_files(sandbox, {path: text for path, text in files.items() if path != shard_name(2, 2)}, "one is gone")
    with pytest.raises(UsageError, match=rf"{INDEX} names {shard_name(2, 2)}, which is not in commit"):
        git_theta.open(INDEX, "HEAD", sandbox.root)


def test_what_is_selected_is_a_checkpoint(sandbox: Sandbox) -> None:
    two_versions(sandbox)
    found = git_theta.open(FILE, "dev", sandbox.root)
    assert list(found.select("encoder.*")) == ["encoder.weight", "encoder.bias"]
    assert list(found.select(["*.bias", "head.*"], exclude="encoder.*")) == ["head.weight", "head.bias"]
    assert not found.select("no such")


def test_only_what_is_asked_for_is_fetched(sandbox: Sandbox, tmp_path: Path) -> None:
    large: dict[str, Any] = dict.fromkeys(("encoder.weight", "head.weight"), (512, 1024))
    content = model(**large)
    track_and_commit(sandbox, {FILE: content})
    clone = Sandbox.clone(sandbox, tmp_path / "clone", "--no-checkout")
    found = git_theta.open(FILE, "HEAD", clone.root)
    assert forget_objects(clone.root) == []
    assert found.select("head.*").fetch() == 1
    assert found.select("head.*").fetch() == 0
    assert np.array_equal(found["head.weight"].numpy(), values_of(content)["head.weight"])
    assert found["encoder.weight"].fetch() == 1
    forget_objects(clone.root)
    assert np.array_equal(found["encoder.weight"][3], values_of(content)["encoder.weight"][3])


def test_what_is_nowhere_is_missing(sandbox: Sandbox) -> None:
    two_versions(sandbox)
    found = git_theta.open(FILE, "dev", sandbox.root)
    forget_objects(sandbox.root)
    with pytest.raises(MissingObject, match=r"model.safetensors: head.weight: 1 objects of it are missing here"):
        found["head.weight"].numpy()
    with pytest.raises(MissingObject) as caught:
        git_theta.load(FILE, "dev", sandbox.root)
    assert "no remote" in caught.value.hint


def test_load_gives_what_was_committed_in_either_library(sandbox: Sandbox) -> None:
    import torch

    _, second = two_versions(sandbox)
    expected = values_of(second)
    arrays = git_theta.load(FILE, "dev", sandbox.root)
    tensors = git_theta.load(FILE, "dev", sandbox.root, framework="torch")
    assert list(arrays) == list(tensors) == list(git_theta.open(FILE, "dev", sandbox.root))
    for name, value in expected.items():
        assert np.array_equal(arrays[name], value)
        assert isinstance(tensors[name], torch.Tensor)
        assert np.array_equal(tensors[name].numpy(), value)
    assert list(git_theta.load(FILE, "dev", sandbox.root, include="*.bias")) == ["encoder.bias", "head.bias"]
    with pytest.raises(UsageError, match=r"no parameter of model.safetensors matches"):
        git_theta.load(FILE, "dev", sandbox.root, include="decoder.*")


def test_load_reads_large_and_small_parameters_alike(sandbox: Sandbox) -> None:
    content = model(large=(5, 1 << 20), small=(3, 3), larger=(5 << 20,))
    track_and_commit(sandbox, {FILE: content})
    found = git_theta.load(FILE, "HEAD", sandbox.root)
    assert list(found) == ["large", "small", "larger"]
    assert all(np.array_equal(found[name], value) for name, value in values_of(content).items())


def test_tied_names_are_each_there(sandbox: Sandbox, tmp_path: Path) -> None:
    import torch

    shared = torch.arange(6.0).reshape(2, 3)
    torch.save({"embed": shared, "head": shared, "row": shared[1], "turned": shared.T}, tmp_path / "tied.pt")
    track_and_commit(sandbox, {"tied.pt": (tmp_path / "tied.pt").read_bytes()}, "*.pt")
    found = git_theta.load("tied.pt", "HEAD", sandbox.root, framework="torch")
    assert sorted(found) == ["embed", "head", "row", "turned"]
    assert torch.equal(found["head"], shared)
    assert torch.equal(found["row"], shared[1])
    assert torch.equal(found["turned"], shared.T)
    arrays = git_theta.load("tied.pt", "HEAD", sandbox.root)
    assert np.array_equal(arrays["turned"], shared.T.numpy())
    opened = git_theta.open("tied.pt", "HEAD", sandbox.root)
    assert np.array_equal(opened["turned"][1:], shared.T.numpy()[1:])
    assert opened["embed"].oid == opened["head"].oid


def test_several_threads_may_work_in_several_repositories(sandbox: Sandbox, tmp_path: Path) -> None:
    contents = {}
    for number in range(4):
        other = Sandbox.create(tmp_path / f"repository{number}")
        contents[other.root] = model(seed=number)
        track_and_commit(other, {FILE: contents[other.root]})
    failures: list[BaseException] = []

    def read(root: Path) -> None:
        try:
            for _ in range(3):
                require_same(git_theta.open(FILE, "HEAD", root), contents[root])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read, args=(root,)) for root in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.parametrize(
    ("path", "rev", "words"),
    [
        (FILE, 3, "3 is no revision"),
        (FILE, "no-such", "is no commit here"),
        ("other.safetensors", "HEAD", "is no file in commit"),
        ("other.safetensors", None, "is no file in the worktree or the index"),
        ("notes.bin", "HEAD", "has no parameters"),
        ("other.pt", "HEAD", "a git-lfs pointer"),
    ],
)
def test_what_cannot_be_opened_says_why(sandbox: Sandbox, path: str, rev: str | None, words: str) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 9\n".encode()
    files = {FILE: model(), "notes.bin": bytes(range(256)) * 20, "other.pt": pointer}
    track_and_commit(sandbox, files, "*.safetensors", "*.bin")
    with pytest.raises(UsageError, match=words) as caught:
        git_theta.open(path, rev, sandbox.root)
    assert caught.value.hint


def test_outside_of_a_repository_there_is_nothing_to_open(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="not in a Git repository"):
        git_theta.open(FILE, repo=tmp_path)
    with pytest.raises(UsageError, match="is no folder"):
        git_theta.open(FILE, repo=tmp_path / "nowhere")


def test_opening_reads_no_tensor(sandbox: Sandbox) -> None:
    two_versions(sandbox)
    forget_objects(sandbox.root)
    found = git_theta.open(FILE, "dev", sandbox.root)
    assert [(one.dtype, one.shape, one.nbytes) for one in found.values()][:2] == [
        ("F32", (64, 32), 8192),
        ("F32", (32,), 128),
    ]


def test_an_opened_version_stays_what_it_was(sandbox: Sandbox) -> None:
    first, second = two_versions(sandbox)
    opened = git_theta.open(FILE, "main", sandbox.root)
    sandbox.write(FILE, changed(second, "head.bias"))
    sandbox.commit()
    require_same(opened, first)
