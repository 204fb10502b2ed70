"""A manifest to the file that it stands for, or to a git-lfs pointer to it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from git_theta.errors import GitError, ThetaError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import MAX_MANIFEST, decode_manifest
from git_theta.operations.context import Context
from git_theta.operations.restoring.restore import require_objects, restore_pieces
from git_theta.repository.migrating.base import ConvertedBlob
from git_theta.repository.migrating.blob_facts import BlobFacts
from git_theta.repository.migrating.lfs_objects import LfsObjects
from git_theta.vcs.blobs import read_one_blob


class ExportConversion:
    """Manifests to files.

    Args:
        context: what to work with.
        facts: what the blobs are.
        objects: where files go, if Git is to hold pointers to them; None: Git is to hold the files.
    """

    def __init__(self, context: Context, facts: Mapping[str, BlobFacts], objects: LfsObjects | None) -> None:
        self._context = context
        self._facts = facts
        self._objects = objects

    def convert(self, path: bytes, blob: bytes) -> ConvertedBlob | None:  # noqa: ARG002
        """As ``BlobConversion`` says. Raises MissingObject, CorruptObject, StoreError."""
        if self._facts[blob.decode()].kind != "manifest":
            return None
        manifest = read_manifest(blob.decode())
        pieces = restore_pieces(manifest, self._context)
        if self._objects is None:
            return ConvertedBlob(manifest.size, pieces)
        text = self._objects.put_object(pieces).text
        return ConvertedBlob(len(text), [text])

    def require_all(self, versions: Mapping[bytes, Mapping[bytes, bytes]]) -> None:
        """Return when every object of every manifest is here: path to blob to the commit that has it.

        Raises MissingObject, CorruptObject.
        """
        seen = set()
        for path, blobs in versions.items():
            for blob, commit in blobs.items():
                if blob not in seen and self._facts[blob.decode()].kind == "manifest":
                    seen.add(blob)
                    self._require_objects(blob.decode(), f"{os.fsdecode(path)} of commit {commit.decode()[:12]}")

    def _require_objects(self, blob: str, where: str) -> None:
        try:
            require_objects(read_manifest(blob), self._context)
        except ThetaError as error:
            raise error.add_location(path=where) from None


def read_manifest(blob: str) -> Manifest:
    """The manifest that a blob is. Raises GitError, ManifestError."""
    found = read_one_blob(blob, lambda _: True, MAX_MANIFEST)
    if found is None or not found.whole:
        raise GitError(f"the manifest {blob} is not here")
    return decode_manifest(found.data)
