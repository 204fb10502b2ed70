"""The sides of picks and reverts that Git was told not to commit (``-n``)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from git_theta.errors import GitError
from git_theta.vcs.callers.parent_picks import UncommittedPicks, read_uncommitted_picks
from git_theta.vcs.git import git, git_succeeds
from git_theta.vcs.heads import HEAD
from git_theta.vcs.merges.merge_sides import MergeSides
from git_theta.vcs.merges.tree_merges import commit_tree, merge_trees, tree_of
from git_theta.vcs.revisions import find_commit
from git_theta.vcs.trees import tree_of_index


def find_uncommitted_sides(cwd: Path | None = None) -> list[MergeSides]:
    """The sides of what our parent picks or reverts, and was told not to commit, one after the other.

    Ours is the index, as Git has it, and then what the one before leaves there.
    """
    picks = read_uncommitted_picks()
    ends = _find_ends(picks, cwd) if picks else []
    if not picks or not ends:
        return []
    found: list[MergeSides] = []
    for old, new in ends:
        ours = _commit_outcome(found[-1], cwd) if found else _commit_index(cwd)
        found.append(MergeSides(new, ours, old) if picks.is_revert else MergeSides(old, ours, new))
    return found


def _commit_index(cwd: Path | None) -> str:
    """HEAD, or a commit that no ref names of what is staged: a pick that is not committed comes on top of it."""
    if git_succeeds("diff-index", "--cached", "--quiet", HEAD, cwd=cwd):
        return find_commit(HEAD, cwd)
    return commit_tree(tree_of_index(cwd), [HEAD], cwd)


def _commit_outcome(sides: MergeSides, cwd: Path | None) -> str:
    """A commit that no ref names of what Git makes of a pick; ours, where it stops, or where nobody can know."""
    assert sides.base
    with suppress(GitError):  # a Git that cannot
        ours, theirs = (commit_tree(tree_of(head, cwd), [sides.base], cwd) for head in (sides.ours, sides.theirs))
        tree, conflicts = merge_trees(ours, theirs, cwd)
        return sides.ours if conflicts else commit_tree(tree, [HEAD], cwd)
    return sides.ours


def _find_ends(picks: UncommittedPicks, cwd: Path | None) -> list[tuple[str, str]]:
    """The commits between which lies what is picked: of those that follow each other, the first one's parent, the last.

    Git is asked what the words mean: ranges may be written in many ways.
    """
    words = ["@{-1}" if word == "-" else word for word in picks.words]
    listed = git("rev-list", "--no-walk=unsorted", "--parents", "--end-of-options", *words, "--", cwd=cwd).decode()
    families = list(map(str.split, listed.splitlines()))
    parents = {family[0]: family[picks.parent] for family in families if len(family) > picks.parent}
    parents |= {commit: _commit_nothing(cwd) for commit, *before in families if not before}
    return [(_find_start(last, parents), last) for last in parents if last not in parents.values()]


def _commit_nothing(cwd: Path | None) -> str:
    """A commit without a file, that no ref names: what a first commit is relative to."""
    return commit_tree(git("mktree", cwd=cwd).decode().strip(), [], cwd)


def _find_start(commit: str, parents: Mapping[str, str]) -> str:
    """The nearest ancestor that is not picked itself."""
    while commit in parents:
        commit = parents[commit]
    return commit
