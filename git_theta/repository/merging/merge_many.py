"""Many heads at once: every checkpoint from all task vectors together, other files by Git, one commit.

Nothing is touched before all of it is known to succeed: objects and trees that nothing names do no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from git_theta.operations.context import Progress
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.operations.merging.merge_report import trailers
from git_theta.operations.restoring.materialise import require_room
from git_theta.operations.worktree_files import find_regular_file
from git_theta.repository.merging.merge_request import MergeInputs
from git_theta.repository.merging.merged_checkpoints import ManyMerged, merge_checkpoints
from git_theta.repository.merging.policy_sources import MergeOptions
from git_theta.vcs import trees
from git_theta.vcs.discovery import Repository
from git_theta.vcs.heads import merge_message
from git_theta.vcs.merges import git_merge, tree_merges
from git_theta.vcs.merges.merge_settings import require_signatures, require_true_merges


def merge_many(
    made: MergeInputs, found: Sequence[FilePlan], asked: MergeOptions, repository: Repository, *, message: str | None,
    warn: Callable[[str], None], progress: Progress,
) -> ManyMerged:  # fmt: skip
    """Merge all heads up to the commit, in index and worktree; or nothing at all, where anything is contested."""
    tree_merges.require_tree_merges()
    require_true_merges(repository)
    require_signatures(made.others, repository)
    git_merge.require_clean_index(repository)
    merged = merge_checkpoints(made, found, asked, repository, warn, progress)
    if merged.conflicts:
        return merged
    _require_room(merged, repository.worktree)
    tree, conflicts = write_merged_tree(made, merged.files, repository.worktree)
    if not conflicts:
        text = merge_message(made.others, message, repository.worktree)
        git_merge.check_out_merge(tree, made.others, text, trailers(merged.records), repository)
    return merged._replace(conflicts=conflicts)


def _require_room(merged: ManyMerged, top: Path | None) -> None:
    """Raise StoreError when the checkpoints do not fit into the worktree, where they take the places of old ones."""
    assert top
    old = (find_regular_file(top, path) for path in merged.files)
    require_room(sum(merged.sizes.values()) - sum(file.stat().st_blocks * 512 for file in old if file), top)


def write_merged_tree(
    made: MergeInputs, files: Mapping[str, trees.TreeFile | None], top: Path | None
) -> tuple[str, list[str]]:
    """The tree of the merge: Git merges the heads one after another, each with the checkpoints as they come out.

    What all heads have alike Git takes as it is, so that it never runs our driver. With it, the conflicts that Git has
    in other files: the tree is none then.
    """
    changed = [trees.write_changed_tree(head.commit, files, top) for head in made.heads]
    if len(set(changed)) == 1:  # they differ in checkpoints alone
        return changed[0], []
    merged, *rest = [
        tree_merges.commit_tree(tree, [head.commit], top) for tree, head in zip(changed, made.heads, strict=True)
    ]
    for commit, head in zip(rest, made.heads[1:], strict=True):
        tree, conflicts = tree_merges.merge_trees(merged, commit, top)
        if conflicts:
            return "", [
                f"{path}: {head.name} and the heads before it changed it, and Git merges it" for path in conflicts
            ]
        merged = tree_merges.commit_tree(tree, [merged, commit], top)
    return tree_merges.tree_of(merged, top), []
