"""Close a round: one commit with all heads that are merged as parents, and the tag that the next round starts from.

Neither index nor worktree is touched, and no branch moves. The tag is the last thing that is written: who is killed
before it has only objects that nothing names, and closes the round again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from git_theta.merging.planning.lone_changes import contest_lone_changes
from git_theta.operations.context import Progress
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.operations.merging.merge_report import Record, trailers
from git_theta.repository.merging.merge_cases import find_cases
from git_theta.repository.merging.merge_request import MergeInputs, MergeRequest
from git_theta.repository.merging.merged_checkpoints import merge_checkpoints
from git_theta.repository.merging.policy_sources import MergeOptions
from git_theta.repository.merging.request_checks import check_request
from git_theta.repository.rounds.head_screening import ScreenedRound
from git_theta.repository.rounds.round_refs import Round, tag_round
from git_theta.repository.rounds.shared_files import build_checkpoints, write_checkpoints
from git_theta.repository.stores.opening import open_context
from git_theta.vcs import trees
from git_theta.vcs.branches import write_commit
from git_theta.vcs.discovery import Repository
from git_theta.vcs.heads import Head
from git_theta.words import escape_unprintable, pluralize

TRAILER = "Theta-Round"


class MergedRound(NamedTuple):
    """The heads of a round, merged; nothing names it yet.

    Attributes:
        tree: the id of the tree; "" where anything is contested.
        records: what was done to the checkpoints.
        conflicts: what nobody settled.
    """

    tree: str
    records: Sequence[Record]
    conflicts: Sequence[str]


class RoundMerge(NamedTuple):
    """What closing a round would merge, and how."""

    made: MergeInputs
    found: Sequence[FilePlan]
    asked: MergeOptions


def plan_round(
    screened: ScreenedRound, asked: MergeOptions, repository: Repository, warn: Callable[[str], None]
) -> RoundMerge:
    """What is to be merged of the heads that were kept. Raises UsageError where it cannot be merged so."""
    start, top = screened.start, repository.home
    with open_context(repository, warn) as context:
        built = [build_checkpoints(one.shared, start, context) for one in screened.kept]
    heads = tuple(
        [
            Head(one.head.ref, write_checkpoints(files, start, top))
            for one, files in zip(screened.kept, built, strict=True)
        ]
    )
    base = Head(start.round.tag, start.round.start)
    made = MergeInputs(heads, base, None, _label_heads(screened))
    found = [_count_all_heads(item) for item in find_cases(made, repository, warn)]
    check_request(found, MergeRequest((), asked, base.name), made, top)
    return RoundMerge(made, found, asked)


def _label_heads(screened: ScreenedRound) -> tuple[str, ...]:
    """What plans call the heads: after their contributors, unless somebody is called as the start is."""
    names = tuple([one.head.who for one in screened.kept])
    return tuple([one.head.ref for one in screened.kept]) if "base" in names else names


def _count_all_heads(item: FilePlan) -> FilePlan:
    """The plan of a checkpoint with what only some heads changed contested, too."""
    plan = item.plan and contest_lone_changes(item.plan)
    whole = item.checkpoint and plan and item.checkpoint._replace(parameters=plan)
    return item._replace(plan=plan, checkpoint=whole)


def merge_round(
    merge: RoundMerge, repository: Repository, warn: Callable[[str], None], progress: Progress
) -> MergedRound:
    """Merge the heads that were kept."""
    assert merge.made.base
    merged = merge_checkpoints(merge.made, merge.found, merge.asked, repository, warn, progress)
    if merged.conflicts:
        return MergedRound("", merged.records, merged.conflicts)
    tree = trees.write_changed_tree(merge.made.base.commit, merged.files, repository.home)
    return MergedRound(tree, merged.records, ())


def close_round(
    screened: ScreenedRound, merged: MergedRound, message: str | None, more: Sequence[str], repository: Repository
) -> Round:
    """Commit what was merged on top of the start, and tag it as the next round's. ``more``: trailers beside ours."""
    start, top = screened.start.round, repository.home
    lines = [*trailers(merged.records), *more, f"{TRAILER}: {start.tag}"]
    text = "\n\n".join([message or _title_round(screened), _describe_round(screened), "\n".join(lines)])
    commit = write_commit(merged.tree, [start.start, *(one.head.commit for one in screened.kept)], text, top)
    new = Round(start.name, start.number + 1, commit)
    tag_round(new, top)
    return new


def _title_round(screened: ScreenedRound) -> str:
    return f"Close round {screened.start.round.tag}: {pluralize(len(screened.kept), 'head')}"


def _describe_round(screened: ScreenedRound) -> str:
    """Who was merged, who was not, why, and what heads were held to."""
    kept = ", ".join(one.head.who for one in screened.kept)
    usual, evaluation = screened.distances, screened.screen.evaluation
    within = "any distance" if usual.most is None else f"distances from {usual.least:.4g} to {usual.most:.4g}"
    lines = [
        f"Merged: {kept}",
        *(f"Left out: {one.head.who} ({'; '.join(one.reasons)})" for one in screened.heads if not one.is_kept),
        f"Screened: {within}{f', and by {evaluation}' if evaluation else ''}",
    ]
    return "\n".join(map(escape_unprintable, lines))
