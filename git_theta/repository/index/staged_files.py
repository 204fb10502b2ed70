"""What the index holds for the file that is being cleaned: read once for all who ask."""

from __future__ import annotations

import contextlib
from pathlib import Path

from git_theta.errors import ManifestError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import MAX_MANIFEST, decode_manifest, is_manifest
from git_theta.operations.context import StagedBlob
from git_theta.vcs import blobs


class StagedFiles:
    """The files of an index, which other commands may write between two questions."""

    def __init__(self, worktree: Path | None) -> None:
        self._worktree = worktree
        self._last: tuple[str, StagedBlob | None] | None = None

    def read_blob(self, path: str) -> StagedBlob | None:
        """What the index has for ``path`` (relative to the top) now; None for no file, and for one in conflict."""
        found = blobs.read_one_blob(f":0:{path}", is_manifest, MAX_MANIFEST, self._worktree)
        self._last = path, found and _describe_blob(found)
        return self._last[1]

    def take_manifest(self, path: str) -> Manifest | None:
        """The manifest that the index has for ``path``: as ``read_blob`` has just found it, where it was asked."""
        last, self._last = self._last, None
        blob = last[1] if last and last[0] == path else self.read_blob(path)
        self._last = None
        return blob.manifest if blob else None


def _describe_blob(found: blobs.BlobContent) -> StagedBlob:
    blob, manifest = found.blob, None
    with contextlib.suppress(ManifestError):  # the file was committed raw, or by a newer release
        manifest = decode_manifest(found.data) if found.whole else None
    algorithm = "sha1" if len(blob.oid) == 40 else "sha256"
    return StagedBlob(blob.size, manifest, lambda content: blobs.blob_id(content, blob.size, algorithm) == blob.oid)
