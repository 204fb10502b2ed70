"""Files of the worktree: which are regular ones, and which hold a manifest."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from git_theta.errors import ManifestError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import FIRST_LINE, MAX_MANIFEST, decode_manifest, is_manifest


def find_regular_file(worktree: Path, path: str) -> Path | None:
    """The worktree's regular file of that path, or None; what lies behind a symbolic link is not in the worktree."""
    target = worktree / path
    parents = target.relative_to(worktree).parents
    with contextlib.suppress(OSError):
        if stat.S_ISREG(target.lstat().st_mode) and not any((worktree / folder).is_symlink() for folder in parents):
            return target
    return None


def read_manifest_file(file: Path) -> tuple[Manifest, bytes] | None:
    """The manifest that a regular file holds, with its text; None when it holds anything else."""
    if not claims_manifest(file) or file.stat().st_size > MAX_MANIFEST:
        return None
    text = file.read_bytes()
    with contextlib.suppress(ManifestError):
        return decode_manifest(text), text
    return None


def claims_manifest(file: Path) -> bool:
    """Whether a regular file starts as manifests do."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return is_manifest(os.read(descriptor, 2 * len(FIRST_LINE)))
    finally:
        os.close(descriptor)
