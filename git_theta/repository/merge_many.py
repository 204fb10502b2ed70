"""Many heads at once: every checkpoint from all task vectors together, other files by Git, one commit.

Nothing is touched before all of it is known to succeed: objects and trees that nothing names do no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import ThetaError, UsageError
from git_theta.manifest.text import encode_manifest
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.decisions import Decision
from git_theta.merging.policy import CONFLICT, Choice
from git_theta.operations.context import Context, Progress
from git_theta.operations.merging.apply_plan import ContestedDecision, MergeResult, apply_plan
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.operations.merging.merge_remarks import describe_remarks
from git_theta.operations.merging.merge_report import Record, agreement_measure, record_merge, trailers
from git_theta.operations.restoring.materialise import require_room
from git_theta.operations.restoring.restore import require_objects
from git_theta.operations.worktree_files import find_regular_file
from git_theta.repository.merge_request import MergeInputs, check_strategy, chooser_for
from git_theta.repository.opening import open_context
from git_theta.repository.policy_sources import MergeOptions
from git_theta.vcs import git_merge, trees
from git_theta.vcs import heads as vcs_heads
from git_theta.vcs.discovery import Repository


class ManyMerged(NamedTuple):
    """The result of a merge of many heads.

    Attributes:
        files: the merged checkpoints; None for one that is gone.
        records: what was done to them.
        conflicts: what nobody settled, path and name with the reason: nothing was changed then.
        sizes: bytes of the checkpoints as they are checked out.
    """

    files: Mapping[str, trees.TreeFile | None]
    records: Sequence[Record]
    conflicts: Sequence[str]
    sizes: Mapping[str, int]


def merge_many(
    made: MergeInputs, found: Sequence[FilePlan], asked: MergeOptions, repository: Repository, *, message: str | None,
    warn: Callable[[str], None], progress: Progress,
) -> ManyMerged:  # fmt: skip
    """Merge all heads up to the commit, in index and worktree; or nothing at all, where anything is contested."""
    git_merge.require_tree_merges()
    git_merge.require_true_merges(repository)
    git_merge.require_clean_index(repository)
    merged = _merge_cases(found, asked, repository, warn, progress)
    if not merged.conflicts:
        _require_room(merged, repository.worktree)
        tree = _write_tree(made, merged.files, repository.worktree)
        text = _commit_message(made, message, repository.worktree)
        _check_out(made, tree, text, trailers(merged.records), repository)
    return merged


def _require_room(merged: ManyMerged, top: Path | None) -> None:
    """Raise StoreError when the checkpoints do not fit into the worktree, where they take the places of old ones."""
    assert top
    old = (find_regular_file(top, path) for path in merged.files)
    require_room(sum(merged.sizes.values()) - sum(file.stat().st_blocks * 512 for file in old if file), top)


def _check_out(made: MergeInputs, tree: str, message: str, added: Sequence[str], repository: Repository) -> None:
    """Index and worktree from HEAD to the merge, which waits for its commit; or an error, and nothing."""
    try:
        git_merge.begin_merge(repository, message)
        git_merge.add_trailers(repository, added)
        git_merge.check_out_tree(tree, [head.commit for head in made.others], repository)
    except BaseException:
        git_merge.forget_merge(repository)
        raise


def _merge_cases(
    found: Sequence[FilePlan],
    asked: MergeOptions,
    repository: Repository,
    warn: Callable[[str], None],
    progress: Progress,
) -> ManyMerged:
    """Every checkpoint, merged and stored, with all that checking it out takes here."""
    top = repository.worktree
    assert top
    files: dict[str, trees.TreeFile | None] = {}
    records: list[Record] = []
    left: list[str] = []
    sizes: dict[str, int] = {}
    with open_context(repository, warn) as context:
        for item in found:
            if item.was:
                files[item.was] = None
            if item.plan is None:
                left += [f"{item.path}: {item.reason}"] if item.source is None else []
                taken = None if item.source is None else item.version_at(item.source)
                files[item.path] = taken and trees.TreeFile(taken.mode, taken.oid)
                sizes[item.path] = taken.manifest.size if taken and taken.manifest else 0
                continue
            with progress.show_work(f"Merging {item.path}", total := _bytes_to_compute(item, asked, top)):
                done = _merge_case(item, asked, context._replace(progress=_cap_progress(total, progress)), top)
            records.append(
                record_merge(item.path, done, agreement_measure(context))
                if asked.measure
                else record_merge(item.path, done)
            )
            left += [f"{item.path}: {_describe_left(one)}" for one in done.left]
            if not left:
                files[item.path] = trees.TreeFile(item.mode, trees.write_blob(encode_manifest(done.manifest), top))
                sizes[item.path] = done.manifest.size
    return ManyMerged(files, records, left, sizes)


def _merge_case(item: FilePlan, asked: MergeOptions, context: Context, top: Path) -> MergeResult:
    """The plan of a file carried out, with weights for those heads that have it."""
    assert item.plan
    choose = chooser_for(item.path, top, asked)

    def fitting(decision: Decision) -> Choice | None:
        choice = choose(decision)
        if choice and choice.strategy != CONFLICT:
            check_strategy(item, choice)
        return choice

    settings = asked.settings
    weights = settings.weights and tuple([settings.weights[index] for index in item.among])
    try:
        done = apply_plan(item.plan, fitting, settings._replace(weights=weights), context)
        if not done.left:
            require_objects(done.manifest, context)
    except ThetaError as error:
        raise error.add_location(path=item.path) from None
    for applied in done.applied:
        if not applied.decision.names:
            for note in applied.report.notes:
                context.warn(f"{item.path}: {note}")
    for remark in describe_remarks(done):
        context.warn(f"{item.path}: {remark}")
    return done


def _bytes_to_compute(item: FilePlan, asked: MergeOptions, top: Path) -> int:
    """Bytes of the parameters that a strategy is to compute."""
    choose = chooser_for(item.path, top, asked)
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


def _write_tree(made: MergeInputs, files: Mapping[str, trees.TreeFile | None], top: Path | None) -> str:
    """The tree of the merge: Git merges the heads one after another, each with the checkpoints as they come out.

    What all heads have alike Git takes as it is, so that it never runs our driver. Raises UsageError for conflicts.
    """
    commits = [
        git_merge.commit_tree(trees.write_changed_tree(head.commit, files, top), [head.commit], top)
        for head in made.heads
    ]
    merged, *rest = commits
    for commit, head in zip(rest, made.heads[1:], strict=True):
        tree, conflicts = git_merge.merge_trees(merged, commit, top)
        if conflicts:
            _refuse_conflicts(conflicts, head.name)
        merged = git_merge.commit_tree(tree, [merged, commit], top)
    return git_merge.tree_of(merged, top)


def _refuse_conflicts(conflicts: Iterable[str], name: str) -> None:
    raise UsageError(
        f"{name} conflicts with the heads before it in files that Git merges: {', '.join(conflicts)}",
        hint="Nothing was changed. Merge one head after another, or settle these files on a branch first.",
    )


def _commit_message(made: MergeInputs, message: str | None, top: Path | None) -> str:
    return f"{message}\n" if message is not None else vcs_heads.merge_message(made.others, top)
