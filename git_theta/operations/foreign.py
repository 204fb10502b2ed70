"""Contents that are no checkpoint and no manifest of ours (a Git LFS pointer, say): what they are, and what to do."""

from __future__ import annotations

from typing import NamedTuple

from git_theta.errors import ManifestError
from git_theta.formats.detect import OPAQUE, detect_format
from git_theta.manifest.near_manifest import read_near_manifest, resembles_manifest
from git_theta.operations.streams import BytesSource

_LFS = b"version https://git-lfs.github.com/spec/"
_LONGEST_POINTER = 1024  # bytes; git-lfs docs/spec.md
_OLD_KEYS = (b'"tensor_metadata"', b'"lfs_metadata"', b'"theta_metadata"')
_CONVERTED = "a manifest with converted line ends or encoding"


class ForeignContent(NamedTuple):
    """What a content is, in words for a person, and what they can do."""

    what: str
    hint: str


def detect_pointer(text: bytes) -> ForeignContent | None:
    """What a short text stands for, when another program keeps the real file; None otherwise."""
    if text.startswith(_LFS) and len(text) <= _LONGEST_POINTER:
        return ForeignContent("a git-lfs pointer", "Get the file with `git lfs pull`, then add it again.")
    if text.lstrip()[:1] == b"{" and all(key in text for key in _OLD_KEYS):
        return ForeignContent(
            "metadata that git-theta 0.2 wrote",
            "Check the file out with git-theta 0.2, then add it again with this release.",
        )
    return None


def detect_stand_in(head: bytes) -> ForeignContent | None:
    """What a blob is that stands for a file, though not as our manifest: adding it again would change nothing."""
    if found := detect_pointer(head):
        return found
    if resembles_manifest(head):
        try:
            _, text = read_near_manifest(head)
        except ManifestError as error:
            return ForeignContent(error.message, error.hint)
        if text != head:
            return ForeignContent(_CONVERTED, "`git add --renormalize` and a commit put it right.")
    return None


def describe_blob(head: bytes, path: str) -> ForeignContent:
    """What a blob is that should be a manifest and is not one. ``head`` is its start."""
    return detect_stand_in(head) or ForeignContent(
        f"{_raw_kind(head, path)}, committed without git-theta",
        f"To store it by parameters: git add --renormalize {path}",
    )


def _raw_kind(head: bytes, path: str) -> str:
    found = detect_format(BytesSource(head), head, path)
    name = found.refused_by or found.format
    return "a raw file" if name == OPAQUE else f"a raw {name} checkpoint"
