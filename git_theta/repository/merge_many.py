"""Many heads at once: every checkpoint from all task vectors together, other files by Git, one commit.

Nothing is touched before all of it is known to succeed: objects and trees that nothing names do no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import ThetaError, UsageError
from git_theta.manifest.text import dumps
from git_theta.merging.catalogue import named
from git_theta.merging.decisions import Decision
from git_theta.merging.policy import CONFLICT, Choice
from git_theta.operations.context import Desk, Progress
from git_theta.operations.merging.apply_plan import Left, Merged, merge
from git_theta.operations.merging.file_plans import Case
from git_theta.operations.merging.merge_report import Record, measured, record, trailers
from git_theta.operations.restoring.restore import require_objects
from git_theta.repository.merge_request import Lineup, check_fits, chooser
from git_theta.repository.opening import open_desk
from git_theta.repository.policy_sources import MergeOptions
from git_theta.vcs import git_merge, trees
from git_theta.vcs import heads as vcs_heads
from git_theta.vcs.discovery import Repository


class ManyMerged(NamedTuple):
    """What came of a merge of many heads.

    Attributes:
        files: the merged checkpoints; None for one that is gone.
        records: what was done to them.
        conflicts: what nobody settled, path and name with the reason: nothing was changed then.
    """

    files: Mapping[str, trees.File | None]
    records: Sequence[Record]
    conflicts: Sequence[str]


def merge_many(
    made: Lineup, found: Sequence[Case], asked: MergeOptions, repository: Repository, *, message: str | None,
    warn: Callable[[str], None], progress: Progress,
) -> ManyMerged:  # fmt: skip
    """Merge all heads up to the commit, in index and worktree; or nothing at all, where anything is contested."""
    git_merge.require_tree_merges()
    git_merge.require_true_merges(repository)
    git_merge.require_clean_index(repository)
    merged = _merged(found, asked, repository, warn, progress)
    if not merged.conflicts:
        tree = _tree(made, merged.files, repository.worktree)
        text = _message(made, message, repository.worktree)
        _check_out(made, tree, text, trailers(merged.records), repository)
    return merged


def _check_out(made: Lineup, tree: str, message: str, added: Sequence[str], repository: Repository) -> None:
    """Index and worktree from HEAD to the merge, which waits for its commit; or an error, and nothing."""
    try:
        git_merge.begin(repository, message)
        git_merge.add_trailers(repository, added)
        git_merge.check_out(tree, [head.commit for head in made.others], repository)
    except BaseException:
        git_merge.forget(repository)
        raise


def _merged(
    found: Sequence[Case],
    asked: MergeOptions,
    repository: Repository,
    warn: Callable[[str], None],
    progress: Progress,
) -> ManyMerged:
    """Every checkpoint, merged and stored, with all that checking it out takes here."""
    top = repository.worktree
    assert top
    files: dict[str, trees.File | None] = {}
    records: list[Record] = []
    left: list[str] = []
    with open_desk(repository, warn) as desk:
        for item in found:
            if item.was:
                files[item.was] = None
            if item.plan is None:
                left += [f"{item.path}: {item.reason}"] if item.source is None else []
                taken = None if item.source is None else item.version(item.source)
                files[item.path] = taken and trees.File(taken.mode, taken.oid)
                continue
            with progress.during(f"Merging {item.path}", total := _computed(item, asked, top)):
                done = _carried_out(item, asked, desk._replace(progress=_up_to(total, progress)), top)
            records.append(record(item.path, done, measured(desk)) if asked.measure else record(item.path, done))
            left += [f"{item.path}: {_spoken(one)}" for one in done.left]
            if not left:
                files[item.path] = trees.File(item.mode, trees.write_blob(dumps(done.manifest), top))
    return ManyMerged(files, records, left)


def _carried_out(item: Case, asked: MergeOptions, desk: Desk, top: Path) -> Merged:
    """The plan of a file carried out, with weights for those heads that have it."""
    assert item.plan
    choose = chooser(item.path, top, asked)

    def fitting(decision: Decision) -> Choice | None:
        choice = choose(decision)
        if choice and choice.strategy != CONFLICT:
            check_fits(item, choice)
        return choice

    settings = asked.settings
    weights = settings.weights and tuple([settings.weights[index] for index in item.among])
    try:
        done = merge(item.plan, fitting, settings._replace(weights=weights), desk)
        if not done.left:
            require_objects(done.manifest, desk)
    except ThetaError as error:
        raise error.located(path=item.path) from None
    for applied in done.applied:
        if not applied.decision.names:
            for note in applied.report.notes:
                desk.warn(f"{item.path}: {note}")
    return done


def _computed(item: Case, asked: MergeOptions, top: Path) -> int:
    """Bytes of the parameters that a strategy is to compute."""
    choose = chooser(item.path, top, asked)
    chosen = ((decision, choose(decision)) for decision in (item.plan.contested if item.plan else ()))
    return sum(
        next(held[0].size for held in decision.heads if held)
        for decision, choice in chosen
        if choice and choice.strategy != CONFLICT and named(choice.strategy).numeric
    )


def _up_to(total: int, tick: Callable[[int], None]) -> Callable[[int], None]:
    """Tell of no more than ``total``: parts that are only taken over come after those that are computed."""
    left = total

    def capped(done: int) -> None:
        nonlocal left
        tick(min(done, left))
        left -= min(done, left)

    return capped


def _spoken(left: Left) -> str:
    name = ", ".join(left.decision.names) or "all that is no parameter"
    return f"{name} ({left.reason})" if left.reason else name


def _tree(made: Lineup, files: Mapping[str, trees.File | None], top: Path | None) -> str:
    """The tree of the merge: Git merges the heads one after another, each with the checkpoints as they come out.

    What all heads have alike Git takes as it is, so that it never runs our driver. Raises UsageError for conflicts.
    """
    commits = [
        git_merge.commit_tree(trees.with_files(head.commit, files, top), [head.commit], top) for head in made.heads
    ]
    merged, *rest = commits
    for commit, head in zip(rest, made.heads[1:], strict=True):
        tree, conflicts = git_merge.merge_trees(merged, commit, top)
        if conflicts:
            _refuse(conflicts, head.name)
        merged = git_merge.commit_tree(tree, [merged, commit], top)
    return git_merge.tree_of(merged, top)


def _refuse(conflicts: Iterable[str], name: str) -> None:
    raise UsageError(
        f"{name} conflicts with the heads before it in files that Git merges: {', '.join(conflicts)}",
        hint="Nothing was changed. Merge one head after another, or settle these files on a branch first.",
    )


def _message(made: Lineup, message: str | None, top: Path | None) -> str:
    return f"{message}\n" if message is not None else vcs_heads.merge_message(made.others, top)
