"""The checkpoints of several files that differ among commits, each whole: with the shards that no commit changed."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from git_theta.checkpoints.index_file import is_index, shards_named_by
from git_theta.checkpoints.sharded import ShardedCheckpoint
from git_theta.checkpoints.shards import Shard, group_paths, shard_number
from git_theta.errors import ManifestError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import MAX_MANIFEST, decode_manifest, is_manifest
from git_theta.vcs.blobs import read_wanted_blobs
from git_theta.vcs.trees import TreeFile

CommitFiles = Mapping[str, TreeFile]
"""Every file of a commit, by its path from the top."""
Unify = Callable[[Sequence[Shard | None]], Sequence[Shard | None]]
"""Has files of versions of a checkpoint in one layout (``unify_versions``)."""
Adopt = Callable[[str, str], Manifest | None]
"""Has a file that Git holds as it is, by path and id, by parameters (``adopt_raw_file``); None: it is not to be."""


class ShardedVersions(NamedTuple):
    """A checkpoint at several commits.

    Attributes:
        index_path: the path of its index, which it is called by.
        versions: the checkpoint at each commit; None where there is none.
        files: its files at each commit, its index among them.
        kept_whole: paths of those that are kept whole wherever they are, so that only siblings have them laid out.
    """

    index_path: str
    versions: tuple[ShardedCheckpoint | None, ...]
    files: tuple[CommitFiles, ...]
    kept_whole: frozenset[str] = frozenset()

    @property
    def paths(self) -> set[str]:
        """The paths of all its files, at whatever commit."""
        return {path for files in self.files for path in files}


def find_sharded_versions(
    commits: Sequence[CommitFiles], top: Path | None, unify: Unify, adopt: Adopt
) -> Iterator[ShardedVersions]:
    """The checkpoints that are not the same at all commits, of several files at one of them, and by parameters at all.

    Args:
        commits: all files of each.
        top: of the worktree.
        unify: is asked about what may be kept whole at some commit, or in some of its files.
        adopt: is asked about files that Git holds as they are, where another commit has a shard by parameters.

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
        if differing.isdisjoint(path for held in files for path in held):
            continue
        shards = _load_versions(key, files, top, adopt)
        texts = [index.get(key) for index in indexes]
        to_split = [held.keys() - {key} for held in files]  # an index without a shard is no checkpoint
        if any(shards) and all(there or not held for there, held in zip(shards, to_split, strict=True)):
            versions = _join_versions(key, _unify_versions(shards, unify), texts)
            if all(version or not held for version, held in zip(versions, to_split, strict=True)):
                yield ShardedVersions(key, versions, files, _find_kept_whole(shards))


def is_shard(path: str, top: Path | None) -> bool:
    """Whether a file is one of several of a checkpoint: by its name, or by an index beside it in the worktree."""
    if shard_number(path):
        return True
    folder = posixpath.dirname(path)
    with suppress(OSError):
        for file in (top / folder).glob("*.json") if top else ():
            if is_index(file.name) and path in shards_named_by(posixpath.join(folder, file.name), file.read_bytes()):
                return True
    return False


def _load_versions(
    index_path: str, versions: Sequence[CommitFiles], top: Path | None, adopt: Adopt
) -> list[list[Shard]]:
    """The shards of each version; none where Git holds one of them as it is, or all of them at all versions."""
    shards = [{path: file for path, file in files.items() if path != index_path} for files in versions]
    texts = [read_texts(files, top, manifests=True) for files in shards]
    if not any(texts):
        return [[] for _ in versions]
    return [_load_shards(files, found, adopt) for files, found in zip(shards, texts, strict=True)]


def _load_shards(files: CommitFiles, texts: Mapping[str, bytes], adopt: Adopt) -> list[Shard]:
    found = []
    for path, file in files.items():
        try:
            manifest = decode_manifest(texts[path]) if path in texts else adopt(path, file.oid)
        except ManifestError as error:
            raise error.add_location(path=path) from None
        if manifest is None:
            return []
        found.append(Shard(path, manifest))
    return found


def _unify_versions(versions: Sequence[Sequence[Shard]], unify: Unify) -> list[list[Shard]]:
    """The shards of each version, all in one layout."""
    found = iter(unify([shard for shards in versions for shard in shards]))
    return [[shard for shard in islice(found, len(shards)) if shard] for shards in versions]


def _find_kept_whole(versions: Sequence[Sequence[Shard]]) -> frozenset[str]:
    files = [shard for shards in versions for shard in shards]
    return frozenset(shard.path for shard in files) - {shard.path for shard in files if not shard.manifest.is_opaque}


def _join_versions(
    index_path: str, versions: Sequence[Sequence[Shard]], indexes: Sequence[bytes | None]
) -> tuple[ShardedCheckpoint | None, ...]:
    """The checkpoint at each version; None where there is none, or one of its files is kept whole."""
    return tuple(
        [
            None
            if not shards or any(shard.manifest.is_opaque for shard in shards)
            else ShardedCheckpoint({shard.path: shard.manifest for shard in shards}, index_path, index)
            for shards, index in zip(versions, indexes, strict=True)
        ]
    )


def read_texts(files: CommitFiles, top: Path | None, *, manifests: bool = False) -> dict[str, bytes]:
    """The contents of these files by path; of the ``manifests`` among them alone."""
    found = read_wanted_blobs(
        (file.oid for file in files.values()), is_manifest if manifests else bool, MAX_MANIFEST, top
    )
    return {path: found[file.oid] for path, file in files.items() if file.oid in found}
