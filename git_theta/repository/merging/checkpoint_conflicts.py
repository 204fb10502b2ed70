"""The checkpoints in conflict that are settled as one: those of several files, and those that a side removed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from git_theta.manifest.text import MAX_MANIFEST, decode_manifest, is_manifest
from git_theta.operations.merging.file_plans import FilePlan, HeadVersion, plan_file
from git_theta.operations.merging.file_renames import MergeFile
from git_theta.repository.merging.checkpoint_cases import SIDE_LABELS, plan_sides, read_sides
from git_theta.repository.merging.contested_across import find_across
from git_theta.repository.merging.merged_by_file import MergedByFile, read_merge
from git_theta.repository.merging.open_conflicts import find_conflicted
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import git_succeeds
from git_theta.vcs.merges.merge_sides import MergeSides
from git_theta.vcs.merges.stopped_sides import find_sides
from git_theta.vcs.merges.unmerged import UnmergedFile, list_matching, read_stages, unmerged_files


class CheckpointConflict(NamedTuple):
    """A checkpoint that is settled as one: its plan, its files that are in conflict, and the commits."""

    item: FilePlan
    unmerged: tuple[UnmergedFile, ...]
    sides: MergeSides

    @property
    def path(self) -> str:
        """What the checkpoint is called by: the path of its index, or of its only file."""
        return self.item.path


def find_checkpoint_conflicts(repository: Repository, pathspecs: Sequence[str] = ()) -> list[CheckpointConflict]:
    """The checkpoints with a file in conflict that have to be settled whole.

    That is one file that a side removed. Of those of several files it is where a side keeps a parameter in another file
    than another side, and where the index is in conflict, or a file that is kept whole at all sides and has parameters
    where its siblings have; where only one side has it; and where one side alone changed a file that is in conflict, or
    that has something contested and is in none.

    Pathspecs are of the current folder, and match any file of a checkpoint, also one that Git merged or removed;
    without any, all of the worktree is meant.
    """
    top = repository.worktree
    sides = find_sides(repository.git_dir, top)
    unmerged = unmerged_files((), top)
    if sides is None or not unmerged:
        return []
    merge = read_merge(read_sides(sides, repository), repository)
    found = []
    for item in plan_sides(sides, merge.commits, repository):
        mine = tuple(file for file in unmerged if file.path in item.paths)
        if mine and _is_settled_whole(item, mine, merge):
            found.append(CheckpointConflict(item, mine, sides))
    covered = {path for one in found for path in one.item.paths}
    rest = [file for file in find_conflicted(repository) if file.path not in covered and file.is_removed]
    found += [CheckpointConflict(_plan_removed(file, sides, repository), (file,), sides) for file in rest]
    if not pathspecs:
        return found
    named = list_matching(pathspecs, [side for side in sides if side]) if found else set()
    return [one for one in found if not named.isdisjoint(one.item.paths)]


def _plan_removed(file: UnmergedFile, sides: MergeSides, repository: Repository) -> FilePlan:
    """The plan of a file that one side removed, by what Git has of it; the base's may be called otherwise there."""
    texts = dict(read_stages(file, is_manifest, MAX_MANIFEST))
    base, ours, theirs = (
        HeadVersion(file.mode, oid, decode_manifest(texts[oid]) if oid in texts else None) if oid else None
        for oid in file.oids
    )
    made = plan_file(MergeFile(file.path, (base, ours, theirs)), SIDE_LABELS)
    is_there = git_succeeds("cat-file", "-e", f"{sides.base}:{file.path}", cwd=repository.worktree)
    return made if is_there else made._replace(base=None)


def _is_settled_whole(item: FilePlan, unmerged: Sequence[UnmergedFile], merge: MergedByFile) -> bool:
    whole = item.checkpoint
    if whole is None or whole.is_moved or item.was:
        return True
    alone = {item.path, *whole.kept_whole}
    return any(file.path in alone or file.is_one_sided for file in unmerged) or bool(find_across(item, merge))
