"""Merging trees, and trees that differ from a commit's in some files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from git_theta.errors import UsageError
from git_theta.vcs import trees
from git_theta.vcs.discovery import discover_repository
from git_theta.vcs.heads import Head, independent_heads, merge_base, merge_message, named_ids, resolve_head
from git_theta.vcs.merges import git_merge, tree_merges
from tests.sandbox import Sandbox
from tests.templates import built_once


@pytest.fixture(params=["sha1", "sha256"])
def forked(request: pytest.FixtureRequest, tmp_path: Path, home: Path) -> Sandbox:
    """``main``, and ``a`` and ``b`` that each change one line of ``text`` and add a file."""
    sandbox = Sandbox.create(tmp_path / "repository", request.param, install=False)
    _fork(sandbox)
    return sandbox


@built_once
def _fork(sandbox: Sandbox) -> None:
    sandbox.write("text", b"1\n\n\n\n2\n")
    sandbox.commit()
    for name, text in (("a", b"A\n\n\n\n2\n"), ("b", b"1\n\n\n\nB\n"), ("c", b"C\n\n\n\n2\n")):
        sandbox.git("checkout", "--quiet", "-b", name, "main")
        sandbox.write("text", text)
        sandbox.write(f"of {name}\nand a line", b"new\n")
        sandbox.commit(name)
    sandbox.git("checkout", "--quiet", "main")


def heads(repository: Sandbox, *names: str) -> list[Head]:
    return [resolve_head(name, repository.root) for name in names]


def test_heads_in_the_history_of_others_drop_out(forked: Sandbox) -> None:
    forked.git("tag", "-a", "-m", "annotated", "again", "a")
    found = independent_heads(heads(forked, "main", "a", "again", "b"), forked.root)
    assert [head.name for head in found] == ["a", "b"]
    assert merge_base(found, forked.root) == resolve_head("main", forked.root).commit


def test_histories_without_a_common_commit_have_no_base(forked: Sandbox) -> None:
    forked.git("checkout", "--quiet", "--orphan", "other")
    forked.commit("other")
    assert merge_base(heads(forked, "a", "other"), forked.root) is None


def test_messages_are_gits_own(forked: Sandbox) -> None:
    forked.git("tag", "v1", "b")
    commit = resolve_head("c", forked.root).commit
    assert (
        merge_message(heads(forked, "a", "v1", commit), cwd=forked.root)
        == f"Merge branch 'a', tag 'v1', commit '{commit}'\n"
    )


def test_messages_say_what_a_name_stands_for(forked: Sandbox) -> None:
    """A tag goes before a branch of the same name, as in Git."""
    forked.git("tag", "a", "b")
    assert merge_message(heads(forked, "a"), cwd=forked.root) == "Merge tag 'a'\n"
    assert merge_message(heads(forked, "heads/a"), cwd=forked.root) == "Merge branch 'heads/a'\n"


def test_messages_have_what_a_tag_says(forked: Sandbox) -> None:
    forked.git("tag", "-a", "-m", "the first release", "v1", "b")
    assert merge_message(heads(forked, "v1"), cwd=forked.root) == "Merge tag 'v1'\n\nthe first release\n"


def test_a_tag_is_noted_by_its_own_id(forked: Sandbox) -> None:
    """So Git knows of it; what has moved on since it was looked up is noted as what it was."""
    forked.git("tag", "-a", "-m", "annotated", "v1", "b")
    a, tag, gone = heads(forked, "a", "v1", "c")
    oid = forked.git("rev-parse", "refs/tags/v1").stdout.strip()
    forked.git("branch", "-f", "a", "main")
    forked.git("branch", "-D", "c")
    assert named_ids([a, tag, gone], forked.root) == [a.commit, oid, gone.commit]


def test_what_differs_between_commits(forked: Sandbox) -> None:
    commits = [head.commit for head in heads(forked, "main", "a")]
    found = trees.differing_files([trees.files_of(commit, forked.root) for commit in commits])
    assert list(found) == ["of a\nand a line", "text"]
    assert [file and file.size for file in found["of a\nand a line"]] == [None, 4]


def test_files_are_put_into_a_tree_and_taken_out(forked: Sandbox) -> None:
    head = resolve_head("a", forked.root)
    new = trees.TreeFile("100755", trees.write_blob(b"\r\n", forked.root))
    tree = trees.write_changed_tree(head.commit, {"of a\nand a line": None, "folder/new": new}, forked.root)
    assert {path: file.mode for path, file in trees.files_of(tree, forked.root).items()} == {
        "folder/new": "100755",
        "text": "100644",
    }
    assert forked.git("status", "--porcelain").stdout == ""


def test_trees_are_merged_and_conflicts_named(forked: Sandbox) -> None:
    a, b, c = heads(forked, "a", "b", "c")
    tree, conflicts = tree_merges.merge_trees(a.commit, b.commit, forked.root)
    assert conflicts == []
    assert forked.git("cat-file", "blob", f"{tree}:text").stdout == "A\n\n\n\nB\n"
    assert tree_merges.merge_trees(a.commit, c.commit, forked.root)[1] == ["text"]


def test_an_old_git_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree_merges.require_tree_merges()
    program = tmp_path / "git"
    program.write_text("#!/bin/sh\necho git version 2.37.4.windows.1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path), os.environ["PATH"]]))
    with pytest.raises(UsageError, match=r"needs git 2\.38 or newer, and this is 2\.37"):
        tree_merges.require_tree_merges()


@pytest.mark.parametrize("written", [b"still being written", None], ids=["written to", "as Git left it"])
def test_a_check_out_is_taken_back_while_somebody_writes_its_files(forked: Sandbox, written: bytes | None) -> None:
    """A filter whose git was killed does: Git finds no file of the merge then, and the person's own are left alone."""
    forked.write("mine", b"1\n")
    forked.commit("mine")
    forked.write("mine", b"my own\n")
    tree, _ = tree_merges.merge_trees("HEAD", "a", forked.root)
    forked.git("read-tree", "-m", "-u", "HEAD", tree)
    if written:
        forked.write("text", written)
    git_merge._undo_check_out(tree, discover_repository(forked.root))
    assert forked.git("status", "--porcelain").stdout == " M mine\n"
    assert forked.read("mine") == b"my own\n"
    assert forked.read("text") == b"1\n\n\n\n2\n"
