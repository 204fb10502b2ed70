"""The index of a checkpoint, merged by Git as text: where both sides added parameters, it has one side's totals."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from git_theta.checkpoints.index_file import shards_named_by
from git_theta.checkpoints.index_totals import find_wrong_totals, replace_totals
from git_theta.errors import ManifestError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import decode_manifest
from git_theta.operations.merging.checkpoint_plans import CheckpointPlan
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.repository.comparing.sharded_versions import read_texts
from git_theta.repository.merging.checkpoint_cases import read_sides
from git_theta.repository.merging.merged_by_file import MergedByFile, read_merge
from git_theta.vcs import atomic
from git_theta.vcs.blobs import read_blob
from git_theta.vcs.discovery import Repository
from git_theta.vcs.merges.unmerged import stage_content
from git_theta.vcs.trees import TreeFile


def read_merged_shards(whole: CheckpointPlan, merge: MergedByFile) -> dict[str, Manifest]:
    """The shards as Git has merged them, by path; without those in conflict, and what is no manifest."""
    shards: dict[str, Manifest] = {}
    for path in whole.paths & merge.staged.keys():
        side = merge.side_of(path)
        if side is not None and path in whole.heads[side].shards:
            shards[path] = whole.heads[side].shards[path]
    made = {path: TreeFile("100644", merge.staged[path]) for path in whole.paths & merge.staged.keys() - shards.keys()}
    for path, text in read_texts(made, None, manifests=True).items():
        with suppress(ManifestError):
            shards[path] = decode_manifest(text)
    return shards


def find_merged_totals(whole: CheckpointPlan, merge: MergedByFile) -> dict[str, int]:
    """The totals that the merged index says wrong, as they should be; none while a shard is in conflict.

    Nor where a side's own index is wrong: who writes other numbers there, such as those of another dtype, means it.
    """
    oid = merge.staged.get(whole.index_path)
    if oid is None or any(head.index and find_wrong_totals(head.index, head.shards.values()) for head in whole.heads):
        return {}
    text, shards = read_blob(oid) or b"", read_merged_shards(whole, merge)
    is_whole = shards.keys() >= set(shards_named_by(whole.index_path, text))
    return find_wrong_totals(text, shards.values()) if is_whole else {}


def mend_indexes(found: Sequence[FilePlan], sides: Sequence[str | None], repository: Repository) -> None:
    """Write the totals of indexes as they should be, in a merge that waits for its commit; see ``mark_contested``.

    They are staged, and written to the worktree, too, where that is as Git left it. A hook could not: Git commits the
    tree that it had before it asked.
    """
    if not any(item.checkpoint for item in found):
        return
    merge = read_merge(read_sides(sides, repository), repository)
    for item in found:
        if item.checkpoint:
            _mend_totals(item.checkpoint, merge, repository)


def _mend_totals(whole: CheckpointPlan, merge: MergedByFile, repository: Repository) -> None:
    totals = find_merged_totals(whole, merge)
    if not totals or repository.worktree is None:
        return
    path, top = whole.index_path, repository.worktree
    text = read_blob(merge.staged[path], top) or b""
    mended = replace_totals(text, totals)
    with suppress(OSError):
        if (top / path).read_bytes() == text:
            atomic.replace_file(top / path, mended, scratch=repository.theta_dir / "tmp")
    mode = next(commit[path].mode for commit in merge.commits if path in commit)
    stage_content(path, mode, mended, top)
