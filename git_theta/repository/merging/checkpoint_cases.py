"""How checkpoints of several files are merged: by parameters, wherever heads keep them; as one where one is gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from git_theta.operations.merging.checkpoint_plans import plan_checkpoint
from git_theta.operations.merging.file_plans import FilePlan, HeadVersion, VersionFiles, plan_as_one
from git_theta.repository.comparing.file_layouts import adopt_raw_file, unify_versions
from git_theta.repository.comparing.sharded_versions import (
    CommitFiles,
    ShardedVersions,
    find_sharded_versions,
)
from git_theta.repository.merging.checkpoint_renames import CheckpointRename, find_checkpoint_renames
from git_theta.repository.merging.open_conflicts import say_nothing
from git_theta.vcs.discovery import Repository
from git_theta.vcs.trees import files_of, find_renames

SIDE_LABELS = ("ours", "theirs")


def plan_sides(
    sides: Sequence[str | None],
    commits: Sequence[CommitFiles],
    repository: Repository,
    labels: Sequence[str] = SIDE_LABELS,
) -> list[FilePlan]:
    """The plans of the checkpoints of several files that sides and their base do not have alike.

    Args:
        sides: the commits of the base, None for none, of ours and of theirs, whether one or several.
        commits: the files of each, as ``read_sides`` reads them.
        repository: where they are.
        labels: what people call the sides.
    """
    base, *heads = sides
    named = [head for head in heads if head]
    renames = find_renames(base, named, commits, repository.worktree) if base else []
    return plan_checkpoints(commits, labels, repository, say_nothing, renames)


def read_sides(sides: Sequence[str | None], repository: Repository) -> list[CommitFiles]:
    """The files of the merge base, none where there is none, of ours and of theirs."""
    return [files_of(side, repository.worktree) if side else {} for side in sides]


def plan_checkpoints(
    commits: Sequence[CommitFiles],
    labels: Sequence[str],
    repository: Repository,
    warn: Callable[[str], None],
    renames: Sequence[Mapping[str, str]] = (),
) -> list[FilePlan]:
    """The plans of the checkpoints of several files that are not the same everywhere.

    Args:
        commits: the files of the merge base, none where there is no base, and of each head.
        labels: what people call the heads.
        repository: where they are.
        warn: is told what keeps versions in different layouts.
        renames: of each head, the base's name of a file to its own: checkpoints are followed to other folders. Those
            that were renamed otherwise are left out, and followed file by file.
    """
    moved = list(find_checkpoint_renames(commits, renames, labels, repository.home)) if renames else []
    clashing = [rename for rename in moved if rename.clash]
    followed = [rename for rename in moved if not rename.clash]
    for rename in followed:
        commits = rename.call_alike(commits)
    unify = partial(unify_versions, repository=repository, warn=warn)
    adopt = partial(adopt_raw_file, repository=repository, warn=warn)
    plans = [_plan_clash(rename, labels) for rename in clashing]
    covered = {path for item in plans for path in item.paths}
    renamed = {path for names in renames for path in (*names, *names.values())}
    plans += [
        _name_old_files(_plan_versions(found, labels), followed)
        for found in find_sharded_versions(commits, repository.home, unify, adopt)
        if covered.isdisjoint(found.paths) and (_is_everywhere(found) or renamed.isdisjoint(found.paths))
    ]
    return plans


def _is_everywhere(found: ShardedVersions) -> bool:
    return all(found.versions[1:])


def _plan_versions(found: ShardedVersions, labels: Sequence[str]) -> FilePlan:
    base, *heads = found.versions
    among = tuple([index for index, head in enumerate(heads) if head])
    files = [_head_versions(found, index) for index in range(len(found.versions))]
    if not _is_everywhere(found) and (base or len(among) < 2):
        return plan_as_one(found.index_path, files, labels)
    made = plan_checkpoint(found.index_path, base, [head for head in heads if head], [labels[index] for index in among])
    made = made._replace(paths=frozenset(found.paths), kept_whole=found.kept_whole)
    versions = tuple([held.get(found.index_path) or next(iter(held.values()), None) for held in files[1:]])
    return FilePlan(found.index_path, None, versions, plan=made.parameters, among=among, checkpoint=made)


def _head_versions(found: ShardedVersions, index: int) -> VersionFiles:
    """The files of a checkpoint at one version, with what is split of them."""
    version = found.versions[index]
    shards = version.shards if version else {}
    return {
        path: HeadVersion(file.mode, file.oid, shards.get(path)) for path, file in sorted(found.files[index].items())
    }


def _name_old_files(item: FilePlan, followed: Sequence[CheckpointRename]) -> FilePlan:
    """The plan of a checkpoint with the files that it had where it was before; they go."""
    for rename in followed:
        if rename.new == item.path and item.checkpoint:
            before = frozenset(path for held in rename.files for path in held)
            whole = item.checkpoint._replace(paths=item.checkpoint.paths | before)
            item = item._replace(was=rename.old, checkpoint=whole)
    return item


def _plan_clash(rename: CheckpointRename, labels: Sequence[str]) -> FilePlan:
    files = [{path: HeadVersion(file.mode, file.oid, None) for path, file in held.items()} for held in rename.files]
    return plan_as_one(rename.old, files, labels, clash=rename.clash)
