"""Checkpoints of several files that are contested where Git, which looks at one file after another, sees no conflict.

A side changed codes in one shard, say, and the other one their scales in another; or both added a parameter, each to
another shard. Git starts no driver for a file that one side alone changed: it takes that side's. So the files are put
into conflict by us: by `git theta merge`, and by our hook between a `git merge` and its commit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from git_theta.manifest.model import Manifest
from git_theta.merging.planning.decisions import Decision, names_of
from git_theta.operations.merging.conflict_list import describe_names
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.repository.comparing.sharded_versions import CommitFiles
from git_theta.repository.merging.checkpoint_cases import SIDE_LABELS, plan_sides, read_sides
from git_theta.repository.merging.merged_by_file import MergedByFile, read_merge
from git_theta.vcs.discovery import Repository
from git_theta.vcs.merges.running_sides import find_driver_sides, find_octopus
from git_theta.vcs.merges.stopped_sides import find_sides
from git_theta.vcs.merges.unmerged import put_in_conflict
from git_theta.vcs.trees import TreeFile, differing_files

ContestedLines = Mapping[str, Sequence[str]]
"""What is contested of checkpoints, in lines, by what each is called."""


def find_across(item: FilePlan, merge: MergedByFile) -> list[str]:
    """The parameters of a checkpoint that Git mixed up: contested in files that it took, or in two files by now."""
    whole = item.checkpoint
    if whole is None:
        return []
    sides = {path: side for path in whole.paths if (side := merge.side_of(path)) is not None}
    made = {path: whole.heads[side].shards[path] for path, side in sides.items() if path in whole.heads[side].shards}
    versions = [version.shards for version in (whole.base, *whole.heads) if version]
    taken = list(filter(merge.is_taken, made))
    touched = _list_names(shards[path] for path in taken for shards in versions if path in shards)
    contested = {name for decision in whole.parameters.contested for name in decision.names}
    repeated = find_repeated(made).difference(*(find_repeated(head.shards) for head in whole.heads))
    return sorted(contested.intersection(touched) | repeated)


class OwnMerge(NamedTuple):
    """The `git merge` that waits for its commit: heads, plans of checkpoints of several files, and what Git made."""

    heads: Sequence[str]
    several: Sequence[FilePlan]
    merge: MergedByFile


def mark_own_merge(repository: Repository) -> ContestedLines:
    """Put into conflict, and return, what is contested across files in the `git merge` that waits for its commit."""
    own = read_own_merge(repository)
    return mark_merge(own, repository) if own else {}


def read_own_merge(repository: Repository) -> OwnMerge | None:
    """The `git merge` that waits for its commit; None where nobody can know its sides."""
    sides = find_own_sides(repository)
    if not sides:
        return None
    commits = read_sides(sides, repository)
    several = [item for item in _plan_own(sides, commits, repository) if item.is_of_several_files]
    merge = read_merge(commits, repository) if several else MergedByFile(commits, {})
    return OwnMerge([head for head in sides[1:] if head], several, merge)


def mark_merge(own: OwnMerge, repository: Repository) -> ContestedLines:
    """Put into conflict, and return, what is contested across files in a merge."""
    return _mark_several(own.several, own.merge, {}, repository)


def foresee_contested(sides: Sequence[str | None], repository: Repository) -> ContestedLines:
    """What will be contested across files once Git has merged these commits, as far as they tell."""
    commits = read_sides(sides, repository)
    merge = _foresee_files(commits)
    several = (item for item in _plan_own(sides, commits, repository) if item.is_of_several_files)
    return {item.path: describe_names(names) for item in several if (names := find_across(item, merge))}


def is_unseen_by_git(
    unsettled: Mapping[str, Sequence[Decision]],
    found: Sequence[FilePlan],
    sides: Sequence[str | None],
    repository: Repository,
) -> bool:
    """Whether all that is unsettled of checkpoints lies in files that Git, which merges one by one, takes as they are.

    Args:
        unsettled: the decisions, by the checkpoint.
        found: the plans of the merge.
        sides: its commits, that of the base first.
        repository: where that is.
    """
    merge = _foresee_files(read_sides(sides, repository))
    unseen = {item.path: {*find_across(item, merge)} for item in found if item.path in unsettled}
    left = [(path, decision.names) for path, decisions in unsettled.items() for decision in decisions]
    return all(names and unseen[path].issuperset(names) for path, names in left)


def _foresee_files(commits: Sequence[CommitFiles]) -> MergedByFile:
    """What Git will make of the merge of commits with these files, but for what takes a driver."""
    changed = {path: {*files} - {base} for path, (base, *files) in differing_files(commits).items()}
    taken = {path: file.oid for path, files in changed.items() if len(files) == 1 for file in files if file}
    alike = {path: file.oid for path, file in commits[-1].items() if path not in changed}
    return MergedByFile(commits, alike | taken)


def find_own_sides(repository: Repository) -> Sequence[str | None]:
    """The commits of the `git merge` above us, or of the merge that stopped here; none where nobody can know."""
    git_dir, top = repository.git_dir, repository.worktree
    return find_octopus(top) or find_driver_sides(git_dir, top) or find_sides(git_dir, top) or ()


def _plan_own(sides: Sequence[str | None], commits: Sequence[CommitFiles], repository: Repository) -> list[FilePlan]:
    several = [str(number) for number in range(1, len(sides))]
    return plan_sides(sides, commits, repository, SIDE_LABELS if len(several) == len(SIDE_LABELS) else several)


def mark_contested(
    found: Sequence[FilePlan], sides: Sequence[str | None], left: ContestedLines, repository: Repository
) -> ContestedLines:
    """Put checkpoints into conflict that Git merged file by file, and return what is contested of each.

    Args:
        found: the plans of the merge that waits for its commit.
        sides: its commits, that of the base first.
        left: what is known to be contested of checkpoints.
        repository: where that is.
    """
    several = [item for item in found if item.is_of_several_files]
    merge = read_merge(read_sides(sides, repository), repository) if several else None
    return _mark_several(several, merge, left, repository) if merge else {}


def _mark_several(
    several: Sequence[FilePlan], merge: MergedByFile, left: ContestedLines, repository: Repository
) -> ContestedLines:
    missed: dict[str, Sequence[str]] = {}
    for item in several:
        if names := find_across(item, merge):
            missed[item.path] = left.get(item.path) or describe_names(names)
        elif item.path in left and _looks_settled(item, merge):
            missed[item.path] = left[item.path]
    stages = [list_stages(item, merge) for item in several if item.path in missed]
    if stages:
        put_in_conflict({path: held for files in stages for path, held in files.items()}, repository.home)
    return missed


def _looks_settled(item: FilePlan, merge: MergedByFile) -> bool:
    """Whether no file of a checkpoint is in conflict."""
    return all(path in merge.staged or not any(merge.versions_of(path)[1:]) for path in item.paths)


def list_stages(item: FilePlan, merge: MergedByFile) -> dict[str, list[TreeFile | None]]:
    """Its files that Git took from one side, or else all that differ, at the merge base, ours and theirs."""
    differing = [path for path in sorted(item.paths) if len(set(merge.versions_of(path))) > 1]
    return {path: merge.stages_of(path) for path in list(filter(merge.is_taken, differing)) or differing}


def find_repeated(shards: Mapping[str, Manifest]) -> set[str]:
    """The names that stand in more than one file."""
    counts = Counter(name for manifest in shards.values() for name in _list_names([manifest]))
    return {name for name, count in counts.items() if count > 1}


def _list_names(manifests: Iterable[Manifest]) -> set[str]:
    return {name for manifest in manifests for entry in manifest.parameters() for name in names_of(entry)}
