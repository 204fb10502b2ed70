"""The three commits of a merge of two sides, told what is merged: a head, a pick, a revert or a stash."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import GitError, UsageError
from git_theta.vcs.git import git
from git_theta.vcs.heads import HEAD, all_merge_bases, resolve_head


class MergeSides(NamedTuple):
    """The commits of a merge of two sides. ``base`` is None where they have no commit in common."""

    base: str | None
    ours: str
    theirs: str


def find_merge_sides(theirs: str, cwd: Path | None = None) -> MergeSides | None:
    """The sides of a merge of a commit into HEAD; None where its merge bases are in conflict with each other."""
    ours = resolve_head(HEAD, cwd).commit
    bases = all_merge_bases(ours, theirs, cwd=cwd)
    if len(bases) < 2:
        return MergeSides(next(iter(bases), None), ours, theirs)
    base = _unite_bases(bases, cwd)
    return MergeSides(base, ours, theirs) if base else None


def find_pick_sides(theirs: str, cwd: Path | None = None) -> MergeSides | None:
    """The sides of a pick of a commit; None for one of a merge where nobody can know which parent it is relative to."""
    ours = resolve_head(HEAD, cwd).commit
    return _choose_sides([(parent, ours, theirs) for parent in _parents_of(theirs, cwd)], cwd)


def find_revert_sides(undone: str, cwd: Path | None = None) -> MergeSides | None:
    """The sides of a revert of a commit; None as for a pick."""
    ours = resolve_head(HEAD, cwd).commit
    return _choose_sides([(undone, ours, parent) for parent in _parents_of(undone, cwd)], cwd)


def find_stash_sides(stash: str, cwd: Path | None = None) -> MergeSides | None:
    """The sides of a stash that is being applied; None where there is none of that name."""
    with suppress(UsageError):
        base = resolve_head(f"{stash}^", cwd).commit
        return MergeSides(base, resolve_head(HEAD, cwd).commit, resolve_head(stash, cwd).commit)
    return None


def _unite_bases(bases: Sequence[str], cwd: Path | None) -> str | None:
    """The merge of several merge bases, as Git makes it first; None where they are in conflict with each other."""
    from git_theta.vcs.merges.tree_merges import commit_tree, merge_trees

    united, *others = bases
    for other in others:
        try:
            tree, conflicts = merge_trees(united, other, cwd)
        except GitError:  # a Git that cannot
            return None
        if conflicts:
            return None
        united = commit_tree(tree, [united, other], cwd)
    return united


def _choose_sides(candidates: list[tuple[str, str, str]], cwd: Path | None) -> MergeSides | None:
    """The sides of what is picked or undone, given for each of its parents; None where nobody can know which."""
    if len(candidates) > 1:  # of a merge
        from git_theta.vcs.merges.mainlines import explains_index

        candidates = [commits for commits in candidates if explains_index(commits, cwd)]
    return MergeSides(*candidates[0]) if len(candidates) == 1 else None


def _parents_of(commit: str, cwd: Path | None) -> list[str]:
    return git("rev-parse", f"{commit}^@", cwd=cwd).decode().split()
