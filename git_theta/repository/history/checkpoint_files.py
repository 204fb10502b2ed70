"""The files of a checkpoint at one version, however they are there: stored by parameters, raw in Git, in the worktree.

A version is a commit; or what a person has before them: the worktree's real files, and the index's where the worktree
has none, or has manifests.
"""

from __future__ import annotations

import posixpath
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from git_theta.checkpoints.index_file import is_index, shards_named_by, whole_path_of
from git_theta.checkpoints.shards import index_path_of
from git_theta.errors import ManifestError, UsageError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import MAX_MANIFEST, decode_manifest
from git_theta.operations.worktree_files import claims_manifest
from git_theta.repository.history.manifest_blobs import read_manifest_text
from git_theta.vcs.blob_reader import BlobReader
from git_theta.vcs.raw_diff import VersionRange, list_folder


class CheckpointFile(NamedTuple):
    """A file at one version: its path from the top, and one of three.

    Attributes:
        manifest: what stands for it in Git.
        blob: the id of the blob that is the file itself.
        file: the worktree's.
    """

    path: str
    manifest: Manifest | None = None
    blob: str = ""
    file: Path | None = None


class CheckpointFiles(NamedTuple):
    """The files of a checkpoint.

    Attributes:
        path: what people call it: its file, or the index of its shards.
        files: in the order of their paths.
        index_text: that of the index; None where there is none.
    """

    path: str
    files: tuple[CheckpointFile, ...]
    index_text: bytes | None = None


class VersionFiles(AbstractContextManager["VersionFiles"]):
    """The files of one version, by their paths from the top.

    Args:
        commit: its id; "" for the worktree and the index.
        top: of the worktree; None in a bare repository.
    """

    def __init__(self, commit: str, top: Path | None) -> None:
        self._commit = commit
        self._top = None if commit else top
        self._blobs = BlobReader(MAX_MANIFEST)

    def __exit__(self, *_: object) -> None:
        self._blobs.__exit__()

    def find_checkpoint(self, path: str) -> CheckpointFiles:
        """The checkpoint that a file, a shard or an index belongs to, whole.

        Raises UsageError where there is no such file, or an index names one that is not there.
        """
        found = self.find_file(path)
        if found is None:
            raise UsageError(f"{path!r} is no file in {self._describe()}", hint=self._suggest(path))
        index = path if is_index(path) else self._find_index_of(path)
        if not index:
            return CheckpointFiles(path, (found,))
        text = self._read_index(index)
        named = shards_named_by(index, text or b"") if text is not None else self._list_numbered(path, index)
        if not named:
            raise UsageError(f"{path!r} is no index of shards", hint="An index has a weight_map of names to files.")
        return CheckpointFiles(index, tuple([self._require_shard(shard, index) for shard in named]), text)

    def find_file(self, path: str) -> CheckpointFile | None:
        """The regular file of that path, or None. Raises ManifestError for a manifest that cannot be read."""
        file = self._top / path if self._top else None
        if file and file.is_file() and not file.is_symlink() and not claims_manifest(file):
            return CheckpointFile(path, file=file)
        blob = self._blobs.find(f"{self._commit}:{path}")
        if blob is None:
            return None
        text = read_manifest_text(self._blobs, blob[0])
        if text is None:
            return CheckpointFile(path, blob=blob[0])
        try:
            return CheckpointFile(path, decode_manifest(text))
        except ManifestError as error:
            raise error.add_location(path=path) from None

    def _require_shard(self, path: str, index: str) -> CheckpointFile:
        found = self.find_file(path)
        if found is None:
            raise UsageError(
                f"{index} names {path}, which is not in {self._describe()}", hint="What is wrong: git theta doctor"
            )
        return found

    def _find_index_of(self, path: str) -> str:
        """The index that names a shard; where there is none, what that of numbered shards would be called; or ""."""
        beside = sorted(name for name in self._list_beside(path) if is_index(name))
        for index in beside:
            if path in shards_named_by(index, self._read_index(index) or b""):
                return index
        usual = index_path_of(path)
        return "" if usual in beside else usual  # an index of that name speaks of others

    def _list_numbered(self, path: str, index: str) -> list[str]:
        return sorted(name for name in self._list_beside(path) if index_path_of(name) == index)

    def _read_index(self, path: str) -> bytes | None:
        """The text of an index; b"" for one that is too large to be any, None where there is none."""
        found = self.find_file(path)
        if found is None:
            return None
        if found.file:
            return found.file.read_bytes() if found.file.stat().st_size <= MAX_MANIFEST else b""
        return self._blobs.read(found.blob) or b"" if found.blob else b""

    def _list_beside(self, path: str) -> list[str]:
        """The paths of the files in the folder of a file."""
        folder = posixpath.dirname(path)
        span = VersionRange((self._commit,) if self._commit else (), ("", ""))
        found = dict.fromkeys(list_folder(span, folder))
        if self._top and (self._top / folder).is_dir():
            found |= dict.fromkeys(posixpath.join(folder, file.name) for file in (self._top / folder).iterdir())
        return list(found)

    def _describe(self) -> str:
        if self._commit:
            return f"commit {self._commit[:12]}"
        return "the worktree or the index" if self._top else "a bare repository without a revision"

    def _suggest(self, path: str) -> str:
        if not self._commit and not self._top:
            return "Name a revision: rev='main'."
        index = next((name for name in self._list_beside(path) if is_index(name) and whole_path_of(name) == path), "")
        return f"Its shards are one checkpoint: {index}" if index else "What is versioned here: git theta ls-files :/"
