"""The files of the index that are tracked here, with the manifests that stand for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from git_theta.errors import GitError, UsageError
from git_theta.manifest.near_manifest import resembles_manifest
from git_theta.manifest.text import MAX_MANIFEST, is_manifest
from git_theta.operations.keeping.file_states import TrackedFile, classify_blob
from git_theta.vcs import blob_walks, blobs
from git_theta.vcs.attribute_files.filtered_files import IndexEntry, filtered_paths, indexed_files, tracked_files
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import git, split_nul

_VERSIONED_HINT = "What is versioned here: git theta ls-files :/"


class WarnWithHint(Protocol):
    """Says one thing to the person, and what helps."""

    def __call__(self, text: str, *, hint: str = "") -> None: ...


def list_tracked(
    repository: Repository, pathspecs: Sequence[str] = (), *, must_match: bool = False
) -> list[TrackedFile]:
    """The tracked files that match, in Git's order.

    Args:
        repository: one with a worktree.
        pathspecs: Git's, relative to the current folder; none for all files of the worktree.
        must_match: whether a pathspec that matches no file is an error (UsageError).
    """
    entries = tracked_files(repository)
    if pathspecs:
        strict = ["--error-unmatch"] if must_match else []
        try:
            matching = set(_list_matching(*strict, "--", *pathspecs))
        except GitError:
            _refuse_unmatched(pathspecs)
            raise
        entries = [entry for entry in entries if entry.path in matching]
    chosen: dict[str, IndexEntry] = {}
    for entry in entries:
        if entry.stage in (0, 2) or entry.path not in chosen:
            chosen[entry.path] = entry
    texts = _read_index_texts({entry.oid for entry in chosen.values()})
    return [classify_blob(path, entry.oid, entry.stage > 0, texts.get(entry.oid)) for path, entry in chosen.items()]


def _list_matching(*words: str) -> list[str]:
    return split_nul(git("ls-files", "-z", "--full-name", *words))


def _refuse_unmatched(pathspecs: Sequence[str]) -> None:
    """Raise UsageError for the first that matches no file of the index."""
    for one in _find_unmatched(pathspecs):
        raise UsageError(f"{one!r} matches no file of the index", hint=_VERSIONED_HINT)


def _find_unmatched(pathspecs: Sequence[str]) -> Iterator[str]:
    """Those of these that match no file of the index."""
    return (one for one in pathspecs if not _list_matching("--", one))


def warn_unmatched(pathspecs: Sequence[str], found: Sequence[TrackedFile], warn: WarnWithHint) -> None:
    """Warn of pathspecs that match no file of the index; and where none of what they match is tracked here.

    That is no error, as it is none of `git status` and `git ls-files`: a script may ask about what is not there yet.

    Args:
        pathspecs: Git's, relative to the current folder; none match all.
        found: the tracked files that match.
        warn: says one thing to the person, and what helps.
    """
    if not pathspecs:
        return
    try:
        git("ls-files", "-z", "--error-unmatch", "--", *pathspecs)
        unmatched = []
    except GitError:
        unmatched = list(_find_unmatched(pathspecs))
    for one in unmatched:
        warn(f"{one!r} matches no file of the index", hint=_VERSIONED_HINT)
    if not found and not unmatched:
        warn(f"no file that {' '.join(map(repr, pathspecs))} matches is versioned", hint=_VERSIONED_HINT)


def _read_index_texts(oids: set[str]) -> dict[str, bytes]:
    """The blobs' bytes, or the start of those that are no manifests."""
    if not oids:
        return {}
    wanted = [blob for blob in blob_walks.indexed_blobs() if blob.oid in oids]
    texts = {found.blob.oid: found.data for found in blobs.read_contents(wanted, resembles_manifest, MAX_MANIFEST)}
    return {blob.oid: texts.get(blob.oid, bytes(1)) for blob in wanted}  # what is too large is no manifest


def find_case_misses(repository: Repository) -> list[str]:
    """Files, in the index or not yet, that no pattern tracks, and one would but for upper and lower case."""
    top = repository.worktree
    paths = split_nul(git("ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=top))
    ours = set(filtered_paths(paths, top))
    return [path for path in dict.fromkeys(filtered_paths(paths, top, any_case=True)) if path not in ours]


def find_untracked_manifests(repository: Repository) -> list[str]:
    """Files of the index that hold manifests, though no pattern tracks them: Git checks them out as they are."""
    ours = {entry.path for entry in tracked_files(repository)}
    others = [entry for entry in indexed_files(repository) if entry.path not in ours]
    oids = {entry.oid for entry in others}
    wanted = (blob for blob in blob_walks.indexed_blobs() if blob.oid in oids)
    found = {one.blob.oid for one in blobs.read_contents(wanted, is_manifest, MAX_MANIFEST) if is_manifest(one.data)}
    return list(dict.fromkeys(entry.path for entry in others if entry.oid in found))
