"""What the Git command above us merges right now: told by its environment, or by what it noted before."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from git_theta.vcs.git import MERGED_HEAD
from git_theta.vcs.heads import HEAD, Head, independent_heads, merge_base, resolve_head
from git_theta.vcs.merges.merge_sides import MergeSides, find_merge_sides, find_pick_sides
from git_theta.vcs.merges.rebase_lines import PICKING, find_rebase_sides


def find_driver_sides(git_dir: Path, cwd: Path | None = None) -> MergeSides | None:
    """The sides of the merge that runs our driver right now; None where a driver cannot know.

    `git merge` names its heads in the environment, and writes MERGE_HEAD when it is done. A rebase notes what it picks
    before it does; a cherry-pick does not.
    """
    merged = independent_heads(merged_heads(cwd), cwd)
    if merged:
        return find_merge_sides(merged[0].commit, cwd) if len(merged) == 1 else None
    return find_rebase_sides(git_dir, PICKING, cwd)


def find_applied_sides(git_dir: Path, cwd: Path | None = None) -> MergeSides | None:
    """The sides of what a rebase by patches (``git rebase --apply``) picks right now."""
    with suppress(OSError):
        if (git_dir / "rebase-apply").is_dir():
            return find_pick_sides((git_dir / "REBASE_HEAD").read_text().strip(), cwd)
    return None


def find_octopus(cwd: Path | None = None) -> list[str | None]:
    """The merge base, HEAD and the heads that the `git merge` above us merges at once; nothing for one head alone."""
    heads = independent_heads(merged_heads(cwd), cwd)
    if len(heads) < 2:
        return []
    all_heads = [resolve_head(HEAD, cwd), *heads]
    return [merge_base(all_heads, cwd), *(head.commit for head in all_heads)]


def merged_heads(cwd: Path | None = None) -> list[Head]:
    """The heads that the `git merge` above us merges into HEAD, by the names that the person gave them."""
    found = sorted((name, word) for name, word in os.environ.items() if name.startswith(MERGED_HEAD))
    return [Head(word, resolve_head(name.removeprefix(MERGED_HEAD), cwd).commit) for name, word in found]
