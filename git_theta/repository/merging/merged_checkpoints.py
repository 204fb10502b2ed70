"""Every checkpoint of a merge of many heads, merged and stored; or why one is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import ConflictError
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.planning.decisions import Decision
from git_theta.merging.policies.policy import CONFLICT, Choice
from git_theta.operations.context import Context, Progress
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.operations.merging.measured_changes import NOT_MEASURED, MeasuredChanges, measure_merge
from git_theta.operations.merging.merge_report import Record, record_merge
from git_theta.operations.merging.merge_results import Choose, ContestedDecision
from git_theta.operations.merging.merged_files import MergedFiles, merge_files
from git_theta.repository.clustering.clusters import reach_cluster
from git_theta.repository.merging.companion_versions import find_in_heads
from git_theta.repository.merging.merge_request import MergeInputs
from git_theta.repository.merging.policy_choosers import chooser_of
from git_theta.repository.merging.policy_sources import MergeOptions
from git_theta.repository.merging.request_checks import check_strategy
from git_theta.repository.stores.opening import open_context
from git_theta.vcs import trees
from git_theta.vcs.discovery import Repository


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


def merge_checkpoints(
    made: MergeInputs,
    found: Sequence[FilePlan],
    asked: MergeOptions,
    repository: Repository,
    warn: Callable[[str], None],
    progress: Progress,
) -> ManyMerged:
    """Every checkpoint, merged and stored, with all that checking it out takes here; nothing names it yet."""
    outcome = _Outcome(repository.home)
    with open_context(repository, warn) as opened, reach_cluster(asked.cluster, repository, opened) as context:
        for item in found:
            if item.plan is None:
                outcome.take_version(item)
                continue
            try:
                merged = _merge_checkpoint(item, made, asked, repository.home, context, progress)
            except ConflictError as error:  # no file can be built of what was merged, say: the others go on
                outcome.left[item.path] = [str(error)]
                continue
            outcome.add_merged(item, merged, measure_merge(merged.result, context) if asked.measure else NOT_MEASURED)
    return outcome.report(found)


class _Outcome:
    """What comes of the checkpoints of a merge, one after another."""

    def __init__(self, top: Path) -> None:
        self.left: dict[str, list[str]] = {}
        """What nobody settled, by checkpoint."""
        self._top = top
        self._files: dict[str, trees.TreeFile | None] = {}
        self._records: list[Record] = []
        self._unsettled: dict[str, list[Decision]] = {}
        self._sizes: dict[str, int] = {}

    def take_version(self, item: FilePlan) -> None:
        """A checkpoint that is as one version has it, or contested where none can be taken."""
        if item.source is None:
            self.left[item.path] = [f"{item.path}: {item.reason}"]
            return
        for path, taken in item.files_at(item.source).items():
            self._files[path] = taken and trees.TreeFile(taken.mode, taken.oid)
            self._sizes[path] = taken.manifest.size if taken and taken.manifest else 0

    def add_merged(self, item: FilePlan, merged: MergedFiles, measured: MeasuredChanges) -> None:
        """A checkpoint that was merged by parameters. Its texts are written while nothing at all is contested."""
        self._records.append(record_merge(item.path, merged.result, measured))
        if merged.result.left:
            self.left[item.path] = [f"{item.path}: {_describe_left(one)}" for one in merged.result.left]
            self._unsettled[item.path] = [one.decision for one in merged.result.left]
        self._sizes |= {path: manifest.size for path, manifest in merged.manifests.items()}
        if not self.left:
            self._files |= _write_blobs(merged, item.mode, self._top)

    def report(self, found: Sequence[FilePlan]) -> ManyMerged:
        """All of it."""
        conflicts = [line for lines in self.left.values() for line in lines]
        across = {
            item.path: self.left[item.path] for item in found if item.is_of_several_files and item.path in self.left
        }
        return ManyMerged(self._files, self._records, conflicts, self._sizes, across, self._unsettled)


def _merge_checkpoint(
    item: FilePlan, made: MergeInputs, asked: MergeOptions, top: Path, context: Context, progress: Progress
) -> MergedFiles:
    """A checkpoint merged by parameters. Raises ConflictError where no file can be built of that."""
    choose = _require_fitting(item, chooser_of(item, top, asked))
    find = find_in_heads(item, [head.commit for head in made.heads], made.labels, top)
    total = _bytes_to_compute(item, choose)
    with progress.show_work(f"Merging {item.path}", total):
        counted = context._replace(progress=_cap_progress(total, progress), find_companions=find)
        return merge_files(item, choose, asked.settings, counted)


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
