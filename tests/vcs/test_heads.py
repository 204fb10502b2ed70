"""Commits by the names that people give them: several in one question, as each would be by itself."""

from __future__ import annotations

import pytest

from git_theta.errors import UsageError
from git_theta.vcs.heads import resolve_head, resolve_heads
from git_theta.vcs.revisions import find_commits
from tests.sandbox import Sandbox


@pytest.fixture
def tagged(sandbox: Sandbox) -> Sandbox:
    """Two commits on ``main``, the first of them tagged ``v1``, with a message."""
    sandbox.write("text", b"1\n")
    sandbox.commit("First")
    sandbox.git("tag", "-a", "-m", "annotated", "v1")
    sandbox.write("text", b"2\n")
    sandbox.commit("Second")
    return sandbox


def test_several_names_are_looked_up_as_each_is(tagged: Sandbox) -> None:
    short = tagged.git("rev-parse", "--short", "main").stdout.strip()
    names = ["main", "v1", "HEAD~1", short, "refs/heads/main"]
    assert resolve_heads(names, tagged.root) == [resolve_head(name, tagged.root) for name in names]
    assert resolve_heads([], tagged.root) == []


@pytest.mark.parametrize("name", ["nix", "main..v1", "main:text", "HEAD^{tree}", "no\nname", "main\n"])
def test_what_names_no_commit_is_said(tagged: Sandbox, name: str) -> None:
    assert find_commits(["main", name, "v1"], tagged.root).keys() == {"main", "v1"}
    with pytest.raises(UsageError, match="is no commit here"):
        resolve_heads(["main", name], tagged.root)
