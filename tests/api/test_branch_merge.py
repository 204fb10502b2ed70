"""Merges of branches from Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import git_theta
from git_theta.errors import BranchMoved, ConflictError, UsageError
from tests.api.api_repositories import FILE
from tests.integration.three_branches import added
from tests.sandbox import Sandbox, model, track_and_commit


def diverged(sandbox: Sandbox) -> None:
    """Branches left and right, which both changed ``a`` and a text, and one of them ``b``; main is the base."""
    base = model(a=8, b=8, c=8)
    track_and_commit(sandbox, {FILE: base, "notes.txt": b"one\ntwo\nthree\n"})
    for branch, content, text in (
        ("left", added(base, a=1.0), b"one\ntwo\nthree\nfour\n"),
        ("right", added(base, a=3.0, b=1.0), b"zero\none\ntwo\nthree\n"),
    ):
        sandbox.git("switch", "--quiet", "--create", branch, "main")
        sandbox.write(FILE, content)
        sandbox.write("notes.txt", text)
        sandbox.commit(f"on {branch}")
    sandbox.git("switch", "--quiet", "main")


def test_the_plan_says_what_would_be_done(sandbox: Sandbox) -> None:
    diverged(sandbox)
    merge = git_theta.merge("left", "right", strategy="average", repo=sandbox.root)
    assert {row.name: (row.state, row.contested, row.strategy, row.take) for row in merge.plan if row.name} == {
        "a": ("contested", True, "average", None),
        "b": ("changed-by-one", False, None, "right"),
    }
    assert merge.base == sandbox.git("rev-parse", "main").stdout.strip()
    assert merge.heads == tuple(sandbox.git("rev-parse", "left", "right").stdout.split())
    assert repr(merge) == f"<BranchMerge of 2 heads, {len(merge.plan)} changes, 1 contested>"
    assert list(merge.plan.to_frame().query("contested")["name"]) == ["a"]


def test_the_merge_is_a_commit_with_all_heads_as_parents(sandbox: Sandbox) -> None:
    diverged(sandbox)
    before = sandbox.git("status", "--porcelain=v2", "--branch").stdout
    commit = git_theta.merge("left", "right", strategy="average", repo=sandbox.root).commit("merged")
    assert [parent.hexsha for parent in commit.parents] == sandbox.git("rev-parse", "left", "right").stdout.split()
    assert "Merge right into left" in commit.message
    assert "Theta-Merge: model.safetensors average" in commit.message
    assert sandbox.git("status", "--porcelain=v2", "--branch").stdout == before
    assert sandbox.git("show", "merged:notes.txt").stdout == "zero\none\ntwo\nthree\nfour\n"
    base, found = (git_theta.load(FILE, rev, sandbox.root) for rev in ("main", "merged"))
    assert np.allclose(found["a"] - base["a"], 2.0, atol=1e-6)
    assert np.array_equal(found["b"], git_theta.load(FILE, "right", sandbox.root)["b"])
    assert np.array_equal(found["c"], base["c"])


def test_it_is_what_the_command_makes(sandbox: Sandbox) -> None:
    diverged(sandbox)
    git_theta.merge(
        "left", "right", strategy="ties", options={"density": 0.5, "lambda_": 0.7}, repo=sandbox.root
    ).commit("api")
    sandbox.git("switch", "--quiet", "left")
    sandbox.theta("merge", "right", "-s", "ties", "-o", "density=0.5", "-o", "lambda=0.7")
    assert sandbox.git("rev-parse", "HEAD^{tree}").stdout == sandbox.git("rev-parse", "api^{tree}").stdout


def test_rules_and_weights_count(sandbox: Sandbox) -> None:
    diverged(sandbox)
    merge = git_theta.merge("left", "right", strategy="weighted", weights=[3, 1], repo=sandbox.root)
    base = git_theta.load(FILE, "main", sandbox.root)
    assert np.allclose(git_theta.load(FILE, merge.commit("x"), sandbox.root)["a"] - base["a"], 1.5, atol=1e-6)
    ours = git_theta.merge("left", "right", rules="a=ours", repo=sandbox.root).commit("y")
    assert np.array_equal(
        git_theta.load(FILE, ours, sandbox.root)["a"], git_theta.load(FILE, "left", sandbox.root)["a"]
    )


def test_what_stays_contested_moves_no_branch(sandbox: Sandbox) -> None:
    diverged(sandbox)
    merge = git_theta.merge("left", "right", repo=sandbox.root)
    assert [row.strategy for row in merge.plan if row.contested and row.name] == [None]
    with pytest.raises(ConflictError, match=r"model.safetensors: a"):
        merge.commit("merged")
    assert sandbox.git("branch", "--list", "merged").stdout == ""


def test_a_branch_that_is_at_no_head_is_not_overwritten(sandbox: Sandbox) -> None:
    diverged(sandbox)
    merge = git_theta.merge("left", "right", strategy="average", repo=sandbox.root)
    sandbox.git("branch", "elsewhere", "main")
    with pytest.raises(BranchMoved):
        merge.commit("elsewhere")
    with pytest.raises(UsageError, match="is checked out"):
        merge.commit("main")
    commit = merge.commit("left", message="joined")
    assert str(commit.message).startswith("joined\n")
    assert sandbox.git("rev-parse", "left").stdout.strip() == commit.hexsha


def test_a_bare_repository_will_do(sandbox: Sandbox, tmp_path: Path) -> None:
    diverged(sandbox)
    sandbox.git("clone", "--quiet", "--bare", ".", tmp_path / "bare.git")
    commit = git_theta.merge("left", "right", strategy="average", repo=tmp_path / "bare.git").commit("merged")
    other = git_theta.merge("left", "right", strategy="average", repo=sandbox.root).commit("merged")
    assert commit.tree.hexsha == other.tree.hexsha


def test_three_heads_are_merged_at_once(sandbox: Sandbox) -> None:
    diverged(sandbox)
    sandbox.git("switch", "--quiet", "--create", "third", "main")
    sandbox.write(FILE, added(model(a=8, b=8, c=8), a=5.0))
    sandbox.commit("on third")
    sandbox.git("switch", "--quiet", "main")
    commit = git_theta.merge("left", "right", "third", strategy="average", repo=sandbox.root).commit("all")
    base = git_theta.load(FILE, "main", sandbox.root)
    assert len(commit.parents) == 3
    assert np.allclose(git_theta.load(FILE, "all", sandbox.root)["a"] - base["a"], 3.0, atol=1e-6)


def test_what_cannot_be_merged_says_why(sandbox: Sandbox) -> None:
    diverged(sandbox)
    for heads, given, words in (
        (("left", "main"), {}, "not two heads"),
        (("left",), {}, "not two heads"),
        (("left", "right"), {"strategy": "no-such"}, "^strategy=: no strategy is called"),
        (("left", "right"), {"rules": ["a=no-such"]}, "^rules=: no strategy is called"),
        (("left", "right"), {"strategy": "ties", "options": {"no": 1}}, "no"),
        (("left", "right"), {"strategy": "weighted", "weights": [1.0]}, "1 weight for 2 heads"),
        (("left", "no-such"), {}, "is no commit here"),
    ):
        with pytest.raises(UsageError, match=words):
            git_theta.merge(*heads, repo=sandbox.root, **given)
