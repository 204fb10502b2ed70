"""Index and worktree after a migration: the files are what they were, and Git takes them for what it holds now."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from git_theta.manifest.text import MAX_MANIFEST, is_manifest
from git_theta.repository.migrating.blob_facts import read_blob_facts
from git_theta.repository.migrating.history_survey import is_attributes_file
from git_theta.repository.migrating.lfs_objects import LONGEST_POINTER, read_lfs_pointer
from git_theta.vcs.attribute_files.filtered_files import filtered_paths
from git_theta.vcs.blobs import read_blob
from git_theta.vcs.git import git, git_succeeds
from git_theta.vcs.git_index import KnownFile
from git_theta.vcs.index import WorktreeIndex
from git_theta.vcs.trees import TreeFile, differing_files, files_of

_NO_HOOKS = {"core.hooksPath": os.devnull}


def follow_worktree(top: Path, old: str, new: str, described: Mapping[str, os.stat_result]) -> list[str]:
    """Have the index hold what commit ``new`` has, and the worktree the same files as with ``old``.

    Args:
        top: of a worktree whose index holds what ``old`` has.
        old: the commit that the index holds.
        new: the one that it is to hold.
        described: how the files looked when they were what the index held.

    Returns the files of ours that attributes somewhere else keep from our filter. Raises GitError, OSError; then
    `git reset --hard` does the same, and writes every file anew.
    """
    git("read-tree", "-i", "-m", old, new, cwd=top)
    versions = differing_files([files_of(old, top), files_of(new, top)])
    changed = {path: after for path, (_, after) in versions.items()}
    _write_attributes({path: file for path, file in changed.items() if is_attributes_file(os.fsencode(path))}, top)
    ours = {path: file for path, file in changed.items() if file and not is_attributes_file(os.fsencode(path))}
    _record_files(ours, top, described)
    return sorted(ours.keys() - set(filtered_paths(list(ours), top)))


def finish_attributes(top: Path, old: str, new: str) -> None:
    """Go on where :func:`follow_worktree` was killed, and the index has followed: attributes files that nobody touched.

    All other files are for Git to read once.
    """
    versions = differing_files([files_of(old, top), files_of(new, top)])
    waiting = {}
    for path, (before, after) in versions.items():
        if is_attributes_file(os.fsencode(path)):
            held = (top / path).read_bytes() if (top / path).is_file() else None
            if held == (read_blob(before.oid, top) if before else None):
                waiting[path] = after
    _write_attributes(waiting, top)
    git_succeeds("update-index", "-q", "--refresh", cwd=top)


def _write_attributes(files: Mapping[str, TreeFile | None], top: Path) -> None:
    for path, file in files.items():
        if file is None:
            (top / path).unlink(missing_ok=True)
    listing = b"".join(os.fsencode(path) + b"\0" for path, file in files.items() if file)
    git("checkout-index", "-f", "-u", "-z", "--stdin", cwd=top, stdin=listing)


def _record_files(files: Mapping[str, TreeFile], top: Path, described: Mapping[str, os.stat_result]) -> None:
    """Files that are there, whole, stay, and Git is told so; what stands for one is checked out."""
    facts = read_blob_facts((file.oid for file in files.values()), MAX_MANIFEST)
    known, standing_in = {}, []
    for path, file in files.items():
        found = described.get(path)
        if found is None:  # not checked out: a sparse one
            continue
        if found.st_size == facts[file.oid].size and not _stands_for_another(top / path):
            known[path] = KnownFile(file.oid, found)
        else:
            standing_in.append(path)
    if known:
        WorktreeIndex(top).record_known(known)
    _check_out(standing_in, top)


def _check_out(paths: Iterable[str], top: Path) -> None:
    listing = b"".join(os.fsencode(path) + b"\0" for path in paths)
    if listing:
        options = ("--pathspec-from-file=-", "--pathspec-file-nul")
        git("--literal-pathspecs", "checkout", "--quiet", "--force", *options, cwd=top, stdin=listing, config=_NO_HOOKS)


def _stands_for_another(file: Path) -> bool:
    """Whether a file of the worktree is a pointer or a manifest."""
    with contextlib.suppress(OSError), file.open("rb") as opened:
        head = opened.read(LONGEST_POINTER + 1)
        return is_manifest(head) or read_lfs_pointer(head) is not None
    return False
