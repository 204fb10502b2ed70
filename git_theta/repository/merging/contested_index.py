"""The index of a checkpoint, in conflict: Git merges it as text, and a person may have edited it since."""

from __future__ import annotations

import os
from pathlib import Path

from git_theta.operations.worktree_files import find_regular_file
from git_theta.vcs.blobs import read_blob
from git_theta.vcs.git import git
from git_theta.vcs.merges.text_merge import merge_texts, split_sides
from git_theta.vcs.merges.unmerged import UnmergedFile


def is_index_untouched(unmerged: UnmergedFile, top: Path, wanted: bytes | None = None) -> bool:
    """Whether the worktree has no index, what a side has there, or what Git or we made of these.

    Args:
        unmerged: the index, in conflict.
        top: of the worktree.
        wanted: what settling writes there, and has written where it was stopped in between; None for no file.
    """
    file = find_regular_file(top, unmerged.path)
    if file is None:
        return not os.path.lexists(top / unmerged.path)
    oid = git("hash-object", "--path", unmerged.path, file, cwd=top).decode().strip()
    return oid in unmerged.oids or file.read_bytes() == wanted or _is_merge(file.read_bytes(), unmerged, top)


def _is_merge(text: bytes, unmerged: UnmergedFile, top: Path) -> bool:
    base, ours, theirs = (read_blob(oid, top) or b"" if oid else b"" for oid in unmerged.oids)
    merged = merge_texts(base, ours, theirs)
    return merged is not None and split_sides(merged.text) == split_sides(text)
