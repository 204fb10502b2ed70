"""What the commands that look back have in common: manifests out of Git's history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

from git_theta.manifest.text import MAX_MANIFEST, is_manifest
from git_theta.operations.comparing.parameter_history import HistoryReader
from git_theta.repository.checkpoint_listing import CheckpointListing
from git_theta.vcs.blobs import BlobReader
from git_theta.vcs.commits import Commit, CommitDiffs

OID_DIGITS = 12
"""Hex digits of an id, where a person reads it."""


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
    with BlobReader(MAX_MANIFEST) as blobs, CommitDiffs() as diffs:
        reader = HistoryReader(lambda oid: read_manifest_text(blobs, oid), cache(warn), CheckpointListing(blobs))
        yield VersionHistory(blobs, diffs, reader)


def read_manifest_text(blobs: BlobReader, oid: str) -> bytes | None:
    """The blob of that id, where it is the text of a manifest."""
    text = blobs.read(oid)
    return text if text and is_manifest(text) else None


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
