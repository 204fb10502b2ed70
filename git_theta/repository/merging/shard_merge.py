"""One shard of a checkpoint, for the merge driver: as it comes out when the whole checkpoint is merged.

Git asks for one file at a time, and takes others as it sees fit. So a shard is handed out only where the driver knows
the commits, and Git comes to what the whole merge has in every file that it does not ask about.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from git_theta.manifest.model import Manifest
from git_theta.merging.planning.decisions import Decision, identity_of, trivial_merge
from git_theta.merging.planning.plan import Plan
from git_theta.merging.policies.policy import Choice
from git_theta.operations.context import Context
from git_theta.operations.merging.checkpoint_plans import CheckpointPlan
from git_theta.operations.merging.conflicts import is_same_file
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.operations.merging.merge_checkpoint import place_parameters
from git_theta.operations.merging.merge_results import Choose
from git_theta.operations.merging.merged_files import MergedFiles, merge_files
from git_theta.repository.comparing.sharded_versions import CommitFiles
from git_theta.repository.merging.checkpoint_cases import plan_checkpoints, read_sides
from git_theta.repository.merging.companion_versions import find_in_heads
from git_theta.repository.merging.policy_choosers import chooser_of
from git_theta.repository.merging.policy_sources import MergeOptions
from git_theta.vcs.blobs import read_blob
from git_theta.vcs.discovery import Repository
from git_theta.vcs.merges.running_sides import find_driver_sides
from git_theta.vcs.merges.text_merge import merge_texts
from git_theta.vcs.trees import TreeFile


def merge_shard(
    path: str, sides: Plan, asked: MergeOptions, repository: Repository, context: Context
) -> Manifest | None:
    """The merged shard at ``path``; None where it cannot be known, or is contested.

    Args:
        path: of the shard.
        sides: the plan of that file alone: what Git has for the base, ours and theirs.
        asked: how to merge.
        repository: the repository.
        context: what to work with.
    """
    known = find_driver_sides(repository.git_dir, repository.worktree)
    commits = read_sides(known, repository) if known else []
    plans = plan_checkpoints(commits, sides.labels, repository, context.warn) if commits else []
    item = next((one for one in plans if one.checkpoint and path in one.checkpoint.paths), None)
    if known is None or item is None or item.checkpoint is None or not _are_sides(path, sides, item.checkpoint):
        return None
    find = find_in_heads(item, (known.ours, known.theirs), sides.labels, repository.worktree)
    context = context._replace(find_companions=find)
    merged = merge_files(item, _choose_for(path, item, asked, repository), asked.settings, context)
    if merged.result.left or not _agrees_with_git(item.checkpoint, merged, commits, repository.worktree):
        return None
    return merged.manifests.get(path)


def _are_sides(path: str, sides: Plan, whole: CheckpointPlan) -> bool:
    """Whether the commits have what Git gave: it may have found the file renamed, or merge something else."""
    found = [version.shards.get(path) if version else None for version in (whole.base, *whole.heads)]
    given = [sides.base, *sides.heads]
    return len(found) == len(given) and all(
        one is other is None or (one is not None and other is not None and is_same_file(one, other))
        for one, other in zip(found, given, strict=True)
    )


def _choose_for(path: str, item: FilePlan, asked: MergeOptions, repository: Repository) -> Choose:
    """What is asked for, for the parameters of one shard; ours for all others, which are merged when Git asks."""
    assert item.checkpoint and item.plan
    choose = chooser_of(item, repository.worktree, asked)
    places = place_parameters(item.checkpoint, [decision.name for decision in item.plan.decisions])

    def choose_here(decision: Decision) -> Choice | None:
        return choose(decision) if places.get(decision.name, path) == path else Choice("ours", {}, "another shard")

    return choose_here


def _agrees_with_git(whole: CheckpointPlan, merged: MergedFiles, commits: list[CommitFiles], top: Path | None) -> bool:
    """Whether Git comes to the merged files where it runs no driver."""
    contested = {decision.name for decision in whole.parameters.contested}
    texts = merged.texts()
    for path in sorted({*whole.paths, *merged.manifests}):
        base, *heads = (commit.get(path) for commit in commits)
        _, source = trivial_merge(base, heads)
        if path == whole.index_path:
            if not _is_index_right(texts.get(path), base, heads, source, top):
                return False
        elif source is not None:
            taken = whole.heads[source].shards.get(path)
            made = merged.manifests.get(path)
            if _identities_of(taken) != _identities_of(made) or contested & _identities_of(made).keys():
                return False
    return True


def _is_index_right(
    wanted: bytes | None, base: TreeFile | None, heads: list[TreeFile | None], source: int | None, top: Path | None
) -> bool:
    """Whether Git, which merges an index as text, comes to the right one, or to a conflict."""
    texts = [read_blob(file.oid, top) if file else None for file in (base, *heads)]
    if source is not None:
        return bool(_parse(texts[1 + source]) == _parse(wanted))
    if None in texts:
        return True  # removed here and changed there: a conflict
    merged = merge_texts(*(text or b"" for text in texts))
    return merged is None or not merged.is_clean or bool(_parse(merged.text) == _parse(wanted))


def _parse(text: bytes | None) -> Any:
    with suppress(ValueError, RecursionError):
        return json.loads(text) if text else None
    return None


def _identities_of(manifest: Manifest | None) -> Mapping[str, object]:
    return {entry.name or "": identity_of(entry) for entry in manifest.parameters()} if manifest else {}
