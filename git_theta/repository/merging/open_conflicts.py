"""The files in conflict here, with their stages and what is noted about them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.checkpoints.shards import Shard
from git_theta.errors import ManifestError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import MAX_MANIFEST, decode_manifest, is_manifest
from git_theta.merging.planning.shard_layouts import stands_alone
from git_theta.operations.merging.conflicts import (
    Conflict,
    find_ours,
    note_file,
    open_conflict,
    remove_notes,
    stage_digest,
)
from git_theta.repository.comparing.file_layouts import unify_versions
from git_theta.repository.comparing.sharded_versions import is_shard
from git_theta.repository.stores.opening import conflicts_dir
from git_theta.vcs.attribute_files.filtered_files import filtered_paths
from git_theta.vcs.discovery import Repository
from git_theta.vcs.merges.unmerged import UnmergedFile, read_stages, unmerged_files


def find_conflicted(repository: Repository, pathspecs: Sequence[str] = ()) -> list[UnmergedFile]:
    """The tracked files in conflict that match pathspecs of the current folder; all of the worktree without any."""
    cwd = None if pathspecs else repository.worktree
    files = unmerged_files(pathspecs, cwd)
    ours = set(filtered_paths([file.path for file in files], repository.worktree))
    return [file for file in files if file.path in ours]


class FileConflict(NamedTuple):
    """The conflict of a file by parameters, and where it is noted how far that is settled."""

    conflict: Conflict
    note: Path


def read_conflict(file: UnmergedFile, repository: Repository) -> FileConflict | None:
    """The conflict of a file by parameters; None where Git alone can tell, and for a shard that is not to be merged
    without the others. Raises ManifestError, naming the file.
    """
    sides: dict[str, Manifest] = {}
    digests: dict[str, bytes] = {}
    try:
        for oid, text in read_stages(file, is_manifest, MAX_MANIFEST):
            sides[oid], digests[oid] = decode_manifest(text), stage_digest(text)
    except ManifestError as error:
        raise error.add_location(path=file.path) from error.__cause__
    digest_list = [digests.get(oid, stage_digest(None)) for oid in file.oids]
    note = note_file(file.path, digest_list, conflicts_dir(repository))
    stages = [Shard(file.path, sides[oid]) if oid in sides else None for oid in file.oids]
    versions = unify_versions(stages, repository, say_nothing)
    conflict = open_conflict([one and one.manifest for one in versions], note)
    if conflict is None or (is_shard(file.path, repository.worktree) and not stands_alone(conflict.settled_plan)):
        return None
    return FileConflict(conflict, note)


def say_nothing(_: str) -> None:
    """What kept versions apart was said when they were merged."""


def find_recorded_ours(repository: Repository, path: str, text: bytes) -> list[str]:
    """The contested parameters that are recorded as ours when a file in conflict is staged.

    Args:
        repository: one with a worktree.
        path: the file, from the top.
        text: what is being recorded.
    """
    files = unmerged_files((), repository.worktree)
    if not files:  # what was noted is over, and need not be looked into at every clean
        remove_notes(conflicts_dir(repository))
    try:
        found = [one for file in files if file.path == path and (one := read_conflict(file, repository))]
        return [
            name
            for conflict, _ in found
            for name in find_ours(conflict.left, conflict.settled_plan.heads[0], decode_manifest(text))
        ]
    except ManifestError:  # not by parameters: nothing was told to be contested
        return []
