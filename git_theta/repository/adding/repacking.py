"""The versions in the index stored otherwise, and staged: the files, and what they are, stay."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import GitError, ThetaError, UsageError
from git_theta.manifest.model import Manifest, own_bytes, stored_bytes
from git_theta.manifest.text import encode_manifest
from git_theta.operations.adding.known_parts import KnownParts
from git_theta.operations.adding.update_bases import UpdateBases
from git_theta.operations.context import Context, Progress
from git_theta.operations.keeping.file_states import TrackedFile
from git_theta.operations.keeping.repack_parts import (
    as_dense,
    choose_repacks,
    object_bytes,
    repack_manifest,
    stored_after,
)
from git_theta.operations.restoring.materialise import WrittenFile
from git_theta.operations.restoring.restore import require_objects
from git_theta.operations.worktree_files import claims_manifest, find_regular_file
from git_theta.repository.index.earlier_versions import HEAD, PARENT, read_earlier
from git_theta.repository.index.tracked_files import list_tracked
from git_theta.repository.stores.opening import open_context
from git_theta.vcs.discovery import Repository
from git_theta.vcs.index import WorktreeIndex, differs_from_index, require_staged
from git_theta.vcs.index_flags import flagged_paths, refuse_flagged
from git_theta.vcs.merges.unmerged import stage_content


class RepackedFile(NamedTuple):
    """What became of a file.

    Attributes:
        path: from the top.
        parts: how many are stored otherwise, the frame among them.
        parameters: how many of these are parameters.
        own_before, own_after: bytes of the payloads of all its parameters, without those of their update bases.
        stored_before, stored_after: bytes stored for them, with those of the bases.
        objects_before, objects_after: bytes of all objects that the version needs: with those of the bases, and with
            what other versions have in the same objects.
    """

    path: str
    parts: int
    parameters: int
    own_before: int
    own_after: int
    stored_before: int
    stored_after: int
    objects_before: int
    objects_after: int


class RepackCandidate(NamedTuple):
    """A file that may be repacked, and how it looked when that was found."""

    file: TrackedFile
    manifest: Manifest
    stat: os.stat_result


def find_candidates(repository: Repository, top: Path, pathspecs: Sequence[str]) -> list[RepackCandidate]:
    """The versioned files that match, of this folder and below where nothing is named, each as the index has it.

    Raises UsageError where there is one that is not.
    """
    found = []
    flagged = flagged_paths(top=top)
    for file in list_tracked(repository, pathspecs or (".",), must_match=bool(pathspecs)):
        if file.conflict:
            raise UsageError("it is in conflict", hint="Settle it first: git theta resolve", path=file.path)
        if file.path in flagged and not os.path.lexists(top / file.path):
            continue  # outside of a sparse checkout
        if file.path in flagged:
            refuse_flagged(file.path, flagged[file.path])
        if file.manifest:
            found.append(RepackCandidate(file, file.manifest, _require_whole(file.path, top)))
    if not found:
        raise UsageError("none of these is a versioned file of the index", hint="See what is: git theta ls-files")
    return found


def repack_files(
    candidates: Sequence[RepackCandidate],
    repository: Repository,
    top: Path,
    warn: Callable[[str], None],
    progress: Progress,
    *,
    dense: bool = False,
    dry_run: bool = False,
) -> Iterator[RepackedFile]:
    """Store the parameters of files on the versions before, where that takes fewer bytes, and stage the manifests.

    A file's objects are durable before its manifest is staged: stopped at any point, the index has one of the two, and
    both give the file back.

    Args:
        candidates: the files, as ``find_candidates`` found them.
        repository: theirs.
        top: of the worktree.
        warn: says one thing to the person.
        progress: told of every byte that is tried.
        dense: store those parameters in full that build on others.
        dry_run: store and stage nothing.
    """
    with open_context(repository, warn, progress) as context:
        if dense:
            preferences = as_dense(context.preferences())
            context = context._replace(preferences=lambda: preferences)
        for candidate in candidates:
            try:
                yield _repack_file(candidate, top, context, dry_run=dry_run)
            except ThetaError as error:
                raise error.add_location(path=candidate.file.path) from error.__cause__


def _repack_file(candidate: RepackCandidate, top: Path, context: Context, *, dry_run: bool) -> RepackedFile:
    path, manifest = candidate.file.path, candidate.manifest
    require_objects(manifest, context)
    bases = UpdateBases(partial(read_earlier, path, (HEAD, PARENT), top), context, KnownParts(context, None), anew=True)
    chosen = choose_repacks(manifest, bases, context)
    for warning in bases.describe_damage():
        context.warn(f"{path}: {warning}")
    if chosen and not dry_run:
        _stage_manifest(candidate, encode_manifest(repack_manifest(manifest, chosen, bases, context)), top)
    own = own_bytes(manifest.parameters())
    named = [choice for choice in chosen if choice.entry.name is not None]
    return RepackedFile(
        path,
        len(chosen),
        len(named),
        own,
        own - sum(choice.saved for choice in named),
        stored_bytes(manifest.parameters()),
        stored_after(manifest, chosen),
        object_bytes(manifest),
        object_bytes(manifest, chosen),
    )


def _require_whole(path: str, top: Path) -> os.stat_result:
    """How the worktree's file looks, which is just what the index says. Raises UsageError where it is not."""
    file = find_regular_file(top, path)
    if file is None or claims_manifest(file):
        raise UsageError("the worktree has not got it", hint="Get it first: git theta checkout", path=path)
    found = file.stat()
    if differs_from_index(path, top):
        raise UsageError(
            "it has changes that are not staged", hint="Stage them: git add. Or drop them: git restore", path=path
        )
    return found


def _stage_manifest(candidate: RepackCandidate, text: bytes, top: Path) -> None:
    """Have the index hold the new text, and take the worktree's file for it. Raises ChangedFile."""
    path = candidate.file.path
    mode = require_staged(path, candidate.file.blob, top)
    stage_content(path, mode, text, top)
    with suppress(GitError, OSError):  # Git then looks into the file, and finds it to be what the index says
        WorktreeIndex(top).record_written({path: WrittenFile(text, candidate.stat)})
