"""Checkpoints that Git has merged file by file, and that are contested as a whole: put into conflict, and told."""

from __future__ import annotations

from collections.abc import Sequence

from git_theta.cli.across_files import warn_across, warn_contested_as_one
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.repository.merging.contested_across import ContestedLines, mark_contested, mark_own_merge
from git_theta.repository.merging.merge_request import MergeInputs
from git_theta.repository.merging.merged_index import mend_indexes
from git_theta.vcs.discovery import Repository
from git_theta.vcs.merges.merge_sides import MergeSides


def mark_across(
    across: ContestedLines, found: Sequence[FilePlan], made: MergeInputs, repository: Repository
) -> ContestedLines:
    """Put into conflict, and say, what is contested of checkpoints across files that Git merged one by one."""
    missed = mark_contested(found, sides_of(made), across, repository)
    mend_indexes(found, sides_of(made), repository)
    warn_across(missed)
    return missed


def mark_united(found: Sequence[FilePlan], made: MergeInputs, repository: Repository) -> ContestedLines:
    """The same of a merge with several merge bases, which Git has united."""
    missed = mark_own_merge(repository)
    mend_indexes(found, sides_of(made), repository)
    warn_across(missed)
    return missed


def tell_whole(found: Sequence[FilePlan]) -> None:
    """Say which of Git's conflicts, file by file, are one: of a checkpoint of several files that a side removed."""
    for item in found:
        if item.files and item.source is None:
            warn_contested_as_one(item)


def sides_of(made: MergeInputs) -> MergeSides:
    """The commits of a merge of two heads."""
    ours, theirs = made.heads
    return MergeSides(made.base.commit if made.base else None, ours.commit, theirs.commit)
