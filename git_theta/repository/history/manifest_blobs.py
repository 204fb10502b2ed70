"""Manifests among the blobs that somebody asks for, one after the other."""

from __future__ import annotations

from git_theta.manifest.text import is_manifest
from git_theta.vcs.blob_reader import BlobReader


def read_manifest_text(blobs: BlobReader, oid: str) -> bytes | None:
    """The blob of that id, where it is the text of a manifest."""
    text = blobs.read(oid)
    return text if text and is_manifest(text) else None
