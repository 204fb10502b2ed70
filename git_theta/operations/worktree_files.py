"""Files of the worktree: which are regular ones, and which hold a manifest."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import NamedTuple

from git_theta.manifest.model import Manifest
from git_theta.manifest.near_manifest import read_near_manifest, resembles_manifest
from git_theta.manifest.text import MAX_MANIFEST

_PROBE = 4096
_LARGEST = 4 * MAX_MANIFEST  # in UTF-32


def find_regular_file(worktree: Path, path: str) -> Path | None:
    """The worktree's regular file of that path, or None; what lies behind a symbolic link is not in the worktree."""
    target = worktree / path
    parents = target.relative_to(worktree).parents
    with contextlib.suppress(OSError):
        if stat.S_ISREG(target.lstat().st_mode) and not any((worktree / folder).is_symlink() for folder in parents):
            return target
    return None


class ManifestFile(NamedTuple):
    """A manifest that a file holds: what it says, its own text, and the file's bytes, which may have been converted."""

    manifest: Manifest
    text: bytes
    content: bytes


def read_manifest_file(file: Path) -> ManifestFile | None:
    """The manifest that a regular file holds; None when it holds anything else.

    Raises ManifestError for what was a manifest.
    """
    if not claims_manifest(file) or file.stat().st_size > _LARGEST:
        return None
    content = file.read_bytes()
    return ManifestFile(*read_near_manifest(content), content)


def claims_manifest(file: Path) -> bool:
    """Whether a regular file starts as manifests do, in whatever line ends and encoding."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return resembles_manifest(os.read(descriptor, _PROBE))
    finally:
        os.close(descriptor)
