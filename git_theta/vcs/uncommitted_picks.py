"""The sides of picks and reverts that Git was told not to commit (``-n``)."""

from __future__ import annotations

from pathlib import Path

from git_theta.vcs.heads import HEAD, all_merge_bases
from git_theta.vcs.merge_sides import MergeSides
from git_theta.vcs.parent_picks import read_uncommitted_picks
from git_theta.vcs.revisions import find_commit


def find_uncommitted_sides(cwd: Path | None = None) -> list[MergeSides]:
    """The sides of each pick, revert or range of these that our parent was told not to commit."""
    picks = read_uncommitted_picks()
    if picks is None:
        return []
    ours = find_commit(HEAD, cwd)
    ends = [_find_ends(word, picks.parent, cwd) for word in picks.words]
    return [
        MergeSides(new, ours, old) if picks.is_revert else MergeSides(old, ours, new)
        for old, new in ends
        if old and new
    ]


def _find_ends(word: str, parent: str, cwd: Path | None) -> tuple[str, str]:
    """The commits between which lies what a commit, or a range of them, has changed; "" for what is none here."""
    start, is_range, end = word.partition("..")
    if is_range:
        ends = find_commit(start or HEAD, cwd), find_commit(end or HEAD, cwd)
        bases = all_merge_bases(*ends, cwd=cwd) if all(ends) else []
        return next(iter(bases), ""), ends[1]
    name = "@{-1}" if word == "-" else word
    return find_commit(f"{name}^{parent}", cwd), find_commit(name, cwd)
