"""A version's files in a temporary folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import git_theta
from git_theta.errors import GitError, MissingObject, UsageError
from tests.api.api_repositories import FILE, forget_objects, two_versions
from tests.sandbox import Sandbox, model, track_and_commit
from tests.sharded_checkpoints import INDEX, replace_files, shard_name, sharded


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_all_files_of_a_version_are_there_and_gone_afterwards(sandbox: Sandbox) -> None:
    content = model()
    files = {
        FILE: content,
        "bert/config.json": b"{}\n",
        "bert/pytorch.safetensors": model(seed=1),
        "large.txt": b"x" * 3_000_000,
    }
    track_and_commit(sandbox, files)
    sandbox.write("run.sh", b"#!/bin/sh\n").chmod(0o755)
    (sandbox.root / "link").symlink_to("bert/config.json")
    commit = sandbox.commit()
    sandbox.git("rm", "--quiet", "-r", ".")
    sandbox.commit("empty")
    with git_theta.checkout_dir(commit, repo=sandbox.root) as folder:
        found = files_in(folder)
        assert {path: found[path] for path in files} == files
        assert found[".gitattributes"] == sandbox.git("cat-file", "blob", f"{commit}:.gitattributes").stdout.encode()
        assert os.access(folder / "run.sh", os.X_OK) and not os.access(folder / FILE, os.X_OK)
        assert (folder / "link").readlink() == Path("bert/config.json")
    assert not folder.exists()


@pytest.mark.parametrize("link", ["", "a\0b"], ids=["empty", "with a NUL"])
def test_a_link_to_no_path_is_refused(link: str, sandbox: Sandbox) -> None:
    track_and_commit(sandbox, {FILE: model()})
    blob = sandbox.git("hash-object", "-w", "--stdin", input=link).stdout.strip()
    tree = sandbox.git("mktree", input=f"120000 blob {blob}\tlink\n").stdout.strip()
    commit = sandbox.git("commit-tree", "-m", "hostile", tree).stdout.strip()
    with pytest.raises(GitError, match=r"a link .* to no path"), git_theta.checkout_dir(commit, repo=sandbox.root):
        pass


def test_a_folder_may_be_asked_for_alone(sandbox: Sandbox, tmp_path: Path) -> None:
    track_and_commit(sandbox, {"bert/config.json": b"{}\n", f"bert/{FILE}": model(), "bert2/x": b"", "other": b"1"})
    with git_theta.checkout_dir("HEAD", "bert", sandbox.root, within=tmp_path) as folder:
        assert sorted(files_in(folder)) == ["config.json", FILE]
        assert folder.is_relative_to(tmp_path)
    with git_theta.checkout_dir("HEAD", f"bert/{FILE}", sandbox.root) as folder:
        assert files_in(folder) == {f"bert/{FILE}": model()}
    with git_theta.checkout_dir("HEAD", ".", sandbox.root / "bert") as folder:
        assert sorted(files_in(folder)) == ["config.json", FILE]


def test_a_shard_brings_its_checkpoint(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    files = sharded("ab", "cd")
    replace_files(sandbox, files, "two shards")
    for path in (INDEX, shard_name(1, 2)):
        with git_theta.checkout_dir("HEAD", path, sandbox.root) as folder:
            assert files_in(folder) == files


def test_what_is_written_there_changes_nothing(sandbox: Sandbox) -> None:
    first, _ = two_versions(sandbox)
    with git_theta.checkout_dir("v1.0", repo=sandbox.root) as folder:
        (folder / FILE).write_bytes(b"scribble")
    with git_theta.checkout_dir("v1.0", repo=sandbox.root) as folder:
        assert (folder / FILE).read_bytes() == first
    assert sandbox.git("status", "--porcelain").stdout == ""


def test_it_fetches_what_is_missing(sandbox: Sandbox, tmp_path: Path) -> None:
    _, second = two_versions(sandbox)
    clone = Sandbox.clone(sandbox, tmp_path / "clone", "--no-checkout")
    with git_theta.checkout_dir("origin/dev", repo=clone.root) as folder:
        assert (folder / FILE).read_bytes() == second


def test_what_cannot_be_had_leaves_no_folder(sandbox: Sandbox, tmp_path: Path) -> None:
    two_versions(sandbox)
    forget_objects(sandbox.root)
    with (
        pytest.raises(MissingObject, match=r"model.safetensors: "),
        git_theta.checkout_dir("dev", repo=sandbox.root, within=tmp_path),
    ):
        pass
    assert not list(tmp_path.glob("git-theta-*"))
    with pytest.raises(UsageError, match="is nothing in"), git_theta.checkout_dir("dev", "no-such", sandbox.root):
        pass


@pytest.mark.parametrize("name", ["../evil", ".git/config", "a/../../evil"])
def test_a_tree_that_leads_elsewhere_is_refused(sandbox: Sandbox, name: str) -> None:
    """L10: Git itself checks none of this when it lists a tree that somebody forged."""
    blob = sandbox.git("hash-object", "-w", "--stdin", input="evil\n").stdout.strip()
    tree = blob
    kind = "100644 blob"
    for piece in reversed(name.split("/")):
        tree = forge_tree(sandbox, kind, tree, piece)
        kind = "040000 tree"
    commit = sandbox.git("commit-tree", "-m", "evil", tree).stdout.strip()
    with pytest.raises(GitError, match="which no worktree may have"), git_theta.checkout_dir(commit, repo=sandbox.root):
        pass


def forge_tree(sandbox: Sandbox, kind: str, oid: str, name: str) -> str:
    """A tree with one entry, which `git mktree` would not make."""
    mode = kind.split()[0].lstrip("0").encode()
    content = mode + b" " + name.encode() + b"\0" + bytes.fromhex(oid)
    file = sandbox.root / ".git" / "forged"
    file.write_bytes(content)
    return sandbox.git("hash-object", "-t", "tree", "-w", "--literally", file).stdout.strip()
