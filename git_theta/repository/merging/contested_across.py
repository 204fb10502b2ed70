"""Checkpoints of several files that are contested where Git, which looks at one file after another, sees no conflict.

A side changed codes in one shard, say, and the other one their scales in another; or both added a parameter, each to
another shard. Git starts no driver for a file that one side alone changed. So the files are put into conflict by us.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from git_theta.operations.merging.file_plans import FilePlan
from git_theta.vcs.discovery import Repository
from git_theta.vcs.trees import files_of
from git_theta.vcs.unmerged import put_in_conflict, unmerged_files


def mark_contested(
    found: Sequence[FilePlan], contested: Collection[str], commits: Sequence[str], repository: Repository
) -> list[str]:
    """Put checkpoints into conflict that Git merged file by file, and return what they are called.

    Args:
        found: the plans of the merge that waits for its commit.
        contested: what those are called that nobody settled.
        commits: the merge base, ours and theirs.
        repository: where that is.
    """
    top = repository.home
    unmerged = {file.path for file in unmerged_files((), top)}
    missed = [item for item in found if item.path in contested and unmerged.isdisjoint(item.paths)]
    if not missed:
        return []
    versions = [files_of(commit, top) for commit in commits]
    stages = {path: [held.get(path) for held in versions] for item in missed for path in sorted(item.paths)}
    put_in_conflict({path: held for path, held in stages.items() if held.count(held[0]) < len(held)}, top)
    return [item.path for item in missed]
