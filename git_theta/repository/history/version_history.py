"""What the commands that look back have in common: manifests out of Git's history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from git_theta.checkpoints.shards import CheckpointPair
from git_theta.manifest.text import MAX_MANIFEST
from git_theta.operations.comparing.history_reader import HistoryReader
from git_theta.repository.history.checkpoint_listing import CheckpointListing
from git_theta.repository.history.manifest_blobs import read_manifest_text
from git_theta.vcs.blob_reader import BlobReader
from git_theta.vcs.commits import Commit, CommitDiffs
from git_theta.vcs.discovery import discover_repository

if TYPE_CHECKING:
    from git_theta.operations.context import Context


class VersionHistory(NamedTuple):
    """A repository's history, opened: blobs, what commits changed, and versions of checkpoints."""

    blobs: BlobReader
    diffs: CommitDiffs
    reader: HistoryReader


@contextmanager
def open_history(warn: Callable[[str], None]) -> Iterator[VersionHistory]:
    """The history of the repository we are in; its processes end with the block.

    ``warn`` is told of what cannot be read.
    """
    with BlobReader(MAX_MANIFEST) as blobs, CommitDiffs() as diffs, ExitStack() as opened:
        tell = cache(warn)
        open_once = cache(lambda: opened.enter_context(_open_context(tell)))
        reader = HistoryReader(
            lambda oid: read_manifest_text(blobs, oid), tell, CheckpointListing(blobs), partial(_unify_pair, open_once)
        )
        yield VersionHistory(blobs, diffs, reader)


def _open_context(warn: Callable[[str], None]) -> AbstractContextManager[Context]:
    from git_theta.repository.stores.opening import open_context  # as seldom as layouts differ

    return open_context(discover_repository(), warn)


def _unify_pair(open_once: Callable[[], Context], pair: CheckpointPair, *, split: bool = False) -> CheckpointPair:
    """Both versions in one layout, by what is here: who looks back stores nothing, and fetches nothing."""
    from git_theta.operations.adding.layouts_alike import unify_pair

    return unify_pair(pair, open_once(), keep=False, split=split)


def commit_json(commit: Commit) -> dict[str, Any]:
    """A commit in JSON."""
    return {
        "commit": commit.oid,
        "author": commit.author,
        "email": commit.email,
        "date": commit.time,
        "subject": commit.subject,
        "boundary": commit.boundary,
    }
