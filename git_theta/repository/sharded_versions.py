"""The checkpoints of several files that differ among commits, each whole: with the shards that no commit changed."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from git_theta.checkpoints.index_file import INDEX_ENDING, is_index, shards_named_by
from git_theta.checkpoints.sharded import ShardedCheckpoint
from git_theta.checkpoints.shards import group_paths, shard_number
from git_theta.errors import ManifestError
from git_theta.formats.detect import OPAQUE
from git_theta.manifest.text import MAX_MANIFEST, decode_manifest, is_manifest
from git_theta.vcs.blobs import read_wanted_blobs
from git_theta.vcs.trees import TreeFile

CommitFiles = Mapping[str, TreeFile]
"""Every file of a commit, by its path from the top."""


class ShardedVersions(NamedTuple):
    """A checkpoint at several commits.

    Attributes:
        index_path: the path of its index, which it is called by.
        versions: the checkpoint at each commit; None where there is none.
        files: its files at each commit, its index among them.
    """

    index_path: str
    versions: tuple[ShardedCheckpoint | None, ...]
    files: tuple[CommitFiles, ...]

    @property
    def paths(self) -> set[str]:
        """The paths of all its files, at whatever commit."""
        return {path for files in self.files for path in files}


def find_sharded_versions(commits: Sequence[CommitFiles], top: Path | None) -> Iterator[ShardedVersions]:
    """The checkpoints that are not the same at all commits, of several files at one of them, and by parameters at all.

    Raises ManifestError, with the path, for a manifest that cannot be read.
    """
    differing = {path for files in commits for path in files if len({one.get(path) for one in commits}) > 1}
    folders = {posixpath.dirname(path) for path in differing}
    around = [
        {path: file for path, file in files.items() if file.is_regular and posixpath.dirname(path) in folders}
        for files in commits
    ]
    indexes = [read_texts({path: file for path, file in files.items() if is_index(path)}, top) for files in around]
    groups = group_paths([(files.keys() - index.keys(), index) for files, index in zip(around, indexes, strict=True)])
    for key in sorted({key for group in groups for key in group}):
        files = tuple(
            {path: commit[path] for path in (*group.get(key, ()), key) if path in commit}
            for group, commit in zip(groups, around, strict=True)
        )
        texts = [index.get(key) for index in indexes]
        versions = tuple(_load_version(key, held, text, top) for held, text in zip(files, texts, strict=True))
        by_parameters = all(version or not held for version, held in zip(versions, files, strict=True))
        found = ShardedVersions(key, versions, files)
        if found.paths & differing and by_parameters:
            yield found


def is_shard(path: str, top: Path | None) -> bool:
    """Whether a file is one of several of a checkpoint: by its name, or by an index beside it in the worktree."""
    if shard_number(path):
        return True
    folder = posixpath.dirname(path)
    with suppress(OSError):
        for file in (top / folder).glob(f"*{INDEX_ENDING}") if top else ():
            if path in shards_named_by(posixpath.join(folder, file.name), file.read_bytes()):
                return True
    return False


def _load_version(
    index_path: str, files: CommitFiles, index: bytes | None, top: Path | None
) -> ShardedCheckpoint | None:
    """The checkpoint of these files; None where one of them is not stored by parameters."""
    shards = {path: file for path, file in files.items() if path != index_path}
    texts = read_texts(shards, top, manifests=True)
    if not shards or len(texts) < len(shards):
        return None
    manifests = {}
    for path, text in texts.items():
        try:
            manifests[path] = decode_manifest(text)
        except ManifestError as error:
            raise error.add_location(path=path) from None
    if any(manifest.format == OPAQUE for manifest in manifests.values()):
        return None
    return ShardedCheckpoint(manifests, index_path, index)


def read_texts(files: CommitFiles, top: Path | None, *, manifests: bool = False) -> dict[str, bytes]:
    """The contents of these files by path; of the ``manifests`` among them alone."""
    found = read_wanted_blobs(
        (file.oid for file in files.values()), is_manifest if manifests else bool, MAX_MANIFEST, top
    )
    return {path: found[file.oid] for path, file in files.items() if file.oid in found}
