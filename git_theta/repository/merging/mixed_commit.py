"""A commit that is about to be made of files which Git merged one by one: whether it mixes up a checkpoint.

Picks, reverts, rebases, squashes and merges that somebody else commits ask no hook that looks at merges. All ask the
one that prepares their message. By then a person may have settled what is contested, so that what will be committed
is judged by what it holds: anything that some side has whole, or that somebody computed, is meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from git_theta.manifest.model import Entry
from git_theta.merging.planning.decisions import Decision, identity_of, names_of
from git_theta.operations.merging.checkpoint_plans import CheckpointPlan
from git_theta.operations.merging.conflict_list import describe_names
from git_theta.repository.merging.checkpoint_cases import plan_sides, read_sides
from git_theta.repository.merging.contested_across import (
    ContestedLines,
    find_repeated,
    list_stages,
    mark_merge,
    read_own_merge,
)
from git_theta.repository.merging.merged_by_file import MergedByFile, read_merge
from git_theta.repository.merging.merged_index import find_merged_totals, read_merged_shards
from git_theta.repository.merging.whole_merges import note_whole
from git_theta.vcs.discovery import Repository
from git_theta.vcs.merges.stopped_sides import find_baseless, find_reverted, find_sides
from git_theta.vcs.merges.unmerged import put_in_conflict, works_on_index


class MixedCommit(NamedTuple):
    """What a commit mixes up.

    Attributes:
        lines: what of each checkpoint, in words, by what it is called.
        is_marked: whether its files are in conflict now: not while another command (``git commit -a``) has the index.
        undone: the commit that is reverted, where it is one.
        baseless: the head of a merge that no files can be put into conflict of: its merge bases contradict each other.
    """

    lines: ContestedLines
    is_marked: bool = False
    undone: str = ""
    baseless: str = ""


def judge_own_merge(repository: Repository) -> ContestedLines:
    """Put into conflict, and return, what is contested across files in the `git merge` that waits for its commit.

    One that mixes up nothing is noted: nobody has to look at it again.
    """
    own = read_own_merge(repository)
    if own is None:
        return {}
    missed = mark_merge(own, repository)
    if not missed and not any(_describe_mixed(item.checkpoint, own.merge) for item in own.several):
        note_whole(own.heads, repository)
    return missed


def mark_mixed(message: bytes, repository: Repository) -> MixedCommit:
    """Put into conflict, and return, what the commit of this message would mix up."""
    top = repository.worktree
    noted = find_sides(repository.git_dir, top)
    baseless = None if noted else find_baseless(repository.git_dir, top)
    sides = noted or baseless or find_reverted(message, top)
    if sides is None:
        return MixedCommit({})
    merge = read_merge(read_sides(sides, repository), repository)
    plans = [(item, _describe_mixed(item.checkpoint, merge)) for item in plan_sides(sides, merge.commits, repository)]
    stages = {path: held for item, lines in plans if lines for path, held in list_stages(item, merge).items()}
    if not stages:
        return MixedCommit({})
    is_marked = not baseless and works_on_index(repository.git_dir)
    if is_marked:
        put_in_conflict(stages, repository.home)
    found = {item.path: lines for item, lines in plans if lines}
    return MixedCommit(found, is_marked, "" if noted else sides.base or "", baseless.theirs if baseless else "")


def _describe_mixed(whole: CheckpointPlan | None, merge: MergedByFile) -> list[str]:
    """What of a checkpoint is mixed up, in words: parameters, or else what the index says of all of them."""
    if whole is None:
        return []
    return describe_names(_find_mixed(whole, merge)) or [
        f"{key}, which the index says of one side" for key in find_merged_totals(whole, merge)
    ]


def _find_mixed(whole: CheckpointPlan, merge: MergedByFile) -> list[str]:
    """The parameters that are not what belongs together at any version, or stand in two files."""
    shards = read_merged_shards(whole, merge)
    held = {name: entry for one in shards.values() for entry in one.parameters() for name in names_of(entry)}
    mixed = {name for decision in whole.parameters.contested if _is_mixed(decision, held) for name in decision.names}
    repeated = find_repeated(shards).difference(*(find_repeated(head.shards) for head in whole.heads))
    return sorted(mixed | repeated)


def _is_mixed(decision: Decision, held: Mapping[str, Entry]) -> bool:
    """Whether all that is held of it is of some version, and no version has all of it."""
    found = {identity_of(held[name]) for name in decision.names if name in held}
    versions = [set(map(identity_of, entries)) for entries in (decision.base, *decision.heads)]
    return bool(found) and found not in versions and found <= set().union(*versions)
