"""Objects of ours to a Git server: written as blobs on their way, verified, and pushed as a batch."""

from __future__ import annotations

import hashlib
import random
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import closing

from git_theta.errors import GitError
from git_theta.store.base import Store, read_chunks, verify_chunks
from git_theta.store.files import write_chunk
from git_theta.transport.base import Outcome
from git_theta.transport.git.git_batches import Batch, StoredBlob, write_commits
from git_theta.transport.outcomes import ITEM_ERRORS, lost_object, require_size, unreadable_object
from git_theta.vcs.blob_repository import BlobRepository

_TRIES = 6
_LOCKED = re.compile(r"lock|failed to update ref|already exists")
"""What servers say while another pusher puts the same batch there."""


def write_blobs(
    objects: Mapping[str, int], ours: Store, scratch: BlobRepository
) -> tuple[list[StoredBlob], list[Outcome]]:
    """Write objects (oid to size) of a store into a scratch repository; and what is wrong with those that cannot be."""
    blobs, failed = [], []
    with scratch.import_objects(compress=False) as pipe:
        for oid, size in objects.items():
            try:
                blobs.append(_write_blob(oid, size, ours, scratch.access.algorithm, pipe))
            except ITEM_ERRORS as error:
                failed.append(Outcome(oid, 0, error))
    return blobs, failed


def push_batch(batch: Batch, scratch: BlobRepository) -> str:
    """Push a batch whose blobs are in a scratch repository; its commit, or "" where it is not on the remote then.

    Raises GitError where the remote refuses it.
    """
    with scratch.import_objects(compress=True) as pipe:
        write_chunk(pipe, write_commits(batch))
    commit = scratch.list_refs(batch.ref)[batch.ref]
    return commit if _send_ref(scratch, batch.ref, commit) else ""


def find_blob_id(oid: str, size: int, ours: Store, algorithm: str) -> str:
    """What Git calls our copy of an object; "" where that is damaged."""
    digest = _begin_digest(size, algorithm)
    try:
        with closing(ours.get(oid)) as stream:
            for chunk in verify_chunks(read_chunks(stream, oid), oid):
                digest.update(chunk)
    except ITEM_ERRORS:
        return ""
    return digest.hexdigest()


def report_batch(blobs: list[StoredBlob], commit: str) -> Iterator[Outcome]:
    """The outcomes of blobs that were pushed in a batch, whose commit is on the remote, or ""."""
    for one in blobs:
        yield Outcome(one.oid, one.size) if commit else Outcome(one.oid, 0, lost_object(one.oid))


def _begin_digest(size: int, algorithm: str) -> hashlib._Hash:
    return hashlib.new(algorithm, b"blob %d\0" % size, usedforsecurity=False)


def _write_blob(oid: str, size: int, ours: Store, algorithm: str, pipe: int) -> StoredBlob:
    """Have ``git fast-import`` write an object of ours, verified on its way. Raises what is wrong with it."""
    try:
        require_size(oid, ours.size(oid), size)
        stream = ours.get(oid)
    except OSError as error:
        raise unreadable_object(oid, error) from error
    digest = _begin_digest(size, algorithm)
    write_chunk(pipe, b"blob\ndata %d\n" % size)
    left = size
    with closing(stream):
        try:
            for chunk in verify_chunks(read_chunks(stream, oid), oid):
                digest.update(chunk)
                write_chunk(pipe, memoryview(chunk)[:left])
                left -= min(left, len(chunk))
        except ITEM_ERRORS:
            _write_zeros(pipe, left)  # which are no part of any commit, and do not get to the remote
            raise
        finally:
            write_chunk(pipe, b"\n")
    return StoredBlob(oid, size, digest.hexdigest())


def _write_zeros(pipe: int, size: int) -> None:
    while size:
        count = min(size, 1 << 20)
        write_chunk(pipe, bytes(count))
        size -= count


def _send_ref(scratch: BlobRepository, ref: str, commit: str) -> bool:
    """Push a ref; whether it is on the remote then. Raises GitError where the remote refuses it."""
    for attempt in range(1, _TRIES + 1):
        refusal = None
        try:
            scratch.force_push(ref)
        except GitError as error:
            refusal = error
        if scratch.list_remote_refs(ref).get(ref) == commit:
            return True
        if refusal is None:
            return False
        if attempt == _TRIES or not _LOCKED.search(refusal.message):
            raise refusal
        time.sleep(random.random() * 0.1 * 2**attempt)
    raise AssertionError("the last try returns or raises")
