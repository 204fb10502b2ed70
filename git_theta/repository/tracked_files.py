"""The files of the index that are tracked here, with the manifests that stand for them."""

from __future__ import annotations

from collections.abc import Sequence

from git_theta.manifest.text import LARGEST, is_manifest
from git_theta.operations.keeping.file_states import Tracked, tracked
from git_theta.vcs import blobs
from git_theta.vcs.attributes import IndexEntry, indexed_files, tracked_files
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import git, nul_separated


def listed(repository: Repository, pathspecs: Sequence[str] = (), *, must_match: bool = False) -> list[Tracked]:
    """The tracked files that match, in Git's order.

    Args:
        repository: one with a worktree.
        pathspecs: Git's, relative to the current folder; none for all files of the worktree.
        must_match: whether a pathspec that matches no file is an error (GitError).
    """
    entries = tracked_files(repository)
    if pathspecs:
        strict = ["--error-unmatch"] if must_match else []
        matching = set(nul_separated(git("ls-files", "-z", "--full-name", *strict, "--", *pathspecs)))
        entries = [entry for entry in entries if entry.path in matching]
    chosen: dict[str, IndexEntry] = {}
    for entry in entries:
        if entry.stage in (0, 2) or entry.path not in chosen:
            chosen[entry.path] = entry
    texts = _texts({entry.oid for entry in chosen.values()})
    return [tracked(path, entry.oid, entry.stage > 0, texts.get(entry.oid)) for path, entry in chosen.items()]


def _texts(oids: set[str]) -> dict[str, bytes]:
    """The blobs' bytes, or the start of those that are no manifests."""
    if not oids:
        return {}
    wanted = [blob for blob in blobs.indexed() if blob.oid in oids]
    texts = {found.blob.oid: found.data for found in blobs.contents(wanted, is_manifest, LARGEST)}
    return {blob.oid: texts.get(blob.oid, bytes(1)) for blob in wanted}  # what is too large is no manifest


def untracked_manifests(repository: Repository) -> list[str]:
    """Files of the index that hold manifests, though no pattern tracks them: Git checks them out as they are."""
    ours = {entry.path for entry in tracked_files(repository)}
    others = [entry for entry in indexed_files(repository) if entry.path not in ours]
    oids = {entry.oid for entry in others}
    wanted = (blob for blob in blobs.indexed() if blob.oid in oids)
    found = {one.blob.oid for one in blobs.contents(wanted, is_manifest, LARGEST) if is_manifest(one.data)}
    return list(dict.fromkeys(entry.path for entry in others if entry.oid in found))
