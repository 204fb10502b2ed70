"""Many heads at once: every checkpoint from all task vectors together, other files by Git, one commit.

Nothing is touched before all of it is known to succeed: objects and trees that nothing names do no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import ConflictError
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.decisions import Decision
from git_theta.merging.policy import CONFLICT, Choice
from git_theta.operations.context import Progress
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.operations.merging.measured_changes import NOT_MEASURED, measure_merge
from git_theta.operations.merging.merge_report import Record, record_merge, trailers
from git_theta.operations.merging.merge_results import Choose, ContestedDecision
from git_theta.operations.merging.merged_files import MergedFiles, merge_files
from git_theta.operations.restoring.materialise import require_room
from git_theta.operations.worktree_files import find_regular_file
from git_theta.repository.clustering.clusters import reach_cluster
from git_theta.repository.merging.companion_versions import find_in_heads
from git_theta.repository.merging.merge_request import MergeInputs
from git_theta.repository.merging.policy_choosers import chooser_of
from git_theta.repository.merging.policy_sources import MergeOptions
from git_theta.repository.merging.request_checks import check_strategy
from git_theta.repository.stores.opening import open_context
from git_theta.vcs import git_merge, tree_merges, trees
from git_theta.vcs.discovery import Repository
from git_theta.vcs.heads import merge_message
from git_theta.vcs.merge_settings import require_signatures, require_true_merges


class ManyMerged(NamedTuple):
    """The result of a merge of many heads.

    Attributes:
        files: the merged checkpoints; None for one that is gone.
        records: what was done to them.
        conflicts: what nobody settled, path and name with the reason: nothing was changed then.
        sizes: bytes of the checkpoints as they are checked out.
        across: those of the conflicts that are of a checkpoint of several files, by what that is called.
        unsettled: the decisions that nobody settled, by the checkpoint.
    """

    files: Mapping[str, trees.TreeFile | None]
    records: Sequence[Record]
    conflicts: Sequence[str]
    sizes: Mapping[str, int]
    across: Mapping[str, Sequence[str]]
    unsettled: Mapping[str, Sequence[Decision]]


def merge_many(
    made: MergeInputs, found: Sequence[FilePlan], asked: MergeOptions, repository: Repository, *, message: str | None,
    warn: Callable[[str], None], progress: Progress,
) -> ManyMerged:  # fmt: skip
    """Merge all heads up to the commit, in index and worktree; or nothing at all, where anything is contested."""
    tree_merges.require_tree_merges()
    require_true_merges(repository)
    require_signatures(made.others, repository)
    git_merge.require_clean_index(repository)
    merged = merge_cases(made, found, asked, repository, warn, progress)
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


def merge_cases(
    made: MergeInputs,
    found: Sequence[FilePlan],
    asked: MergeOptions,
    repository: Repository,
    warn: Callable[[str], None],
    progress: Progress,
) -> ManyMerged:
    """Every checkpoint, merged and stored, with all that checking it out takes here; nothing names it yet."""
    top = repository.home
    files: dict[str, trees.TreeFile | None] = {}
    records: list[Record] = []
    left: dict[str, list[str]] = {}
    unsettled: dict[str, list[Decision]] = {}
    sizes: dict[str, int] = {}
    with open_context(repository, warn) as opened, reach_cluster(asked.cluster, repository, opened) as context:
        for item in found:
            if item.plan is None:
                if item.source is None:
                    left[item.path] = [f"{item.path}: {item.reason}"]
                    continue
                for path, taken in item.files_at(item.source).items():
                    files[path] = taken and trees.TreeFile(taken.mode, taken.oid)
                    sizes[path] = taken.manifest.size if taken and taken.manifest else 0
                continue
            choose = _require_fitting(item, chooser_of(item, top, asked))
            find = find_in_heads(item, [head.commit for head in made.heads], made.labels, top)
            try:
                with progress.show_work(f"Merging {item.path}", total := _bytes_to_compute(item, choose)):
                    counted = context._replace(progress=_cap_progress(total, progress), find_companions=find)
                    merged = merge_files(item, choose, asked.settings, counted)
            except ConflictError as error:  # no file can be built of what was merged, say: the others go on
                left[item.path] = [str(error)]
                continue
            measured = measure_merge(merged.result, context) if asked.measure else NOT_MEASURED
            records.append(record_merge(item.path, merged.result, measured))
            if merged.result.left:
                left[item.path] = [f"{item.path}: {_describe_left(one)}" for one in merged.result.left]
                unsettled[item.path] = [one.decision for one in merged.result.left]
            sizes |= {path: manifest.size for path, manifest in merged.manifests.items()}
            if not left:
                files |= _write_blobs(merged, item.mode, top)
    across = {item.path: left[item.path] for item in found if item.is_of_several_files and item.path in left}
    return ManyMerged(files, records, [line for lines in left.values() for line in lines], sizes, across, unsettled)


def _write_blobs(merged: MergedFiles, mode: str, top: Path) -> dict[str, trees.TreeFile | None]:
    return {
        path: None if text is None else trees.TreeFile(mode, trees.write_blob(text, top))
        for path, text in merged.texts().items()
    }


def _require_fitting(item: FilePlan, choose: Choose) -> Choose:
    """The same choices; UsageError for one of a strategy that does not take the heads of the file."""

    def choose_fitting(decision: Decision) -> Choice | None:
        choice = choose(decision)
        if choice and choice.strategy != CONFLICT:
            check_strategy(item, choice)
        return choice

    return choose_fitting


def _bytes_to_compute(item: FilePlan, choose: Choose) -> int:
    """Bytes of the parameters that a strategy is to compute."""
    chosen = ((decision, choose(decision)) for decision in (item.plan.contested if item.plan else ()))
    return sum(
        next(held[0].size for held in decision.heads if held)
        for decision, choice in chosen
        if choice and choice.strategy != CONFLICT and load_strategy(choice.strategy).numeric
    )


def _cap_progress(total: int, tick: Callable[[int], None]) -> Callable[[int], None]:
    """Count no more than ``total`` bytes: parts that are only taken over come after those that are computed."""
    left = total

    def tick_capped(done: int) -> None:
        nonlocal left
        tick(min(done, left))
        left -= min(done, left)

    return tick_capped


def _describe_left(left: ContestedDecision) -> str:
    name = ", ".join(left.decision.names) or "all that is no parameter"
    return f"{name} ({left.reason})" if left.reason else name


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
