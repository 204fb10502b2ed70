"""A version of a file to its manifest: by the very code that `git add` runs."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing
from functools import cache

from git_theta.errors import CorruptObject, MissingObject
from git_theta.manifest.model import Manifest
from git_theta.manifest.near_manifest import resembles_manifest
from git_theta.operations.adding.clean import clean_stream
from git_theta.operations.adding.split import split_source
from git_theta.operations.context import Context
from git_theta.operations.streams import Stream
from git_theta.repository.migrating.base import ConvertedBlob
from git_theta.repository.migrating.blob_facts import BlobFacts, try_manifest
from git_theta.repository.migrating.lfs_objects import LfsObjects, LfsPointer
from git_theta.vcs.blob_streams import BlobStreams

_REMEMBERED = 32
"""Manifests of files that are kept at hand: what comes next in a history is likely to be their next version."""


class ImportConversion(AbstractContextManager["ImportConversion"]):
    """Files, and what git-lfs's pointers stand for, to manifests.

    Args:
        context: what to work with; its index counts for nothing.
        facts: what the blobs are.
        objects: git-lfs's.
    """

    def __init__(self, context: Context, facts: Mapping[str, BlobFacts], objects: LfsObjects) -> None:
        self._last: OrderedDict[str, bytes] = OrderedDict()
        self._context = context._replace(
            warn=cache(context.warn),  # what is wrong with a file is wrong with most of its versions
            staged_manifest=self._last_manifest,
            earlier_manifests=self._earlier_manifests,
            staged_blob=lambda _: None,
            pins_layout=lambda: False,
        )
        self._facts = facts
        self._objects = objects
        self._blobs = BlobStreams()

    def __exit__(self, *_: object) -> None:
        self._blobs.close()

    def convert(self, path: bytes, blob: bytes) -> ConvertedBlob | None:
        """As ``BlobConversion`` says. Raises MissingObject, CorruptObject, StoreError, GitError."""
        facts, name = self._facts[blob.decode()], os.fsdecode(path)
        if facts.kind not in ("raw", "lfs"):
            return None
        text = self._clean_object(facts.pointer, name) if facts.pointer else self._clean_blob(blob.decode(), name)
        if text is None:
            return None
        self._last[name] = text
        self._last.move_to_end(name)
        if len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)
        return ConvertedBlob(len(text), [text])

    def _clean_blob(self, blob: str, name: str) -> bytes | None:
        with self._blobs.open_blob(blob) as readinto:
            stream = Stream(readinto)
            if resembles_manifest(stream.head):
                return None
            return clean_stream(stream, name, None, self._context, records=False)

    def _clean_object(self, pointer: LfsPointer, name: str) -> bytes:
        source = self._objects.open_object(pointer)
        if source is None:
            raise _explain_loss(pointer, name, self._objects)
        with closing(source):
            if source.size == 0:
                return b""
            found = split_source(source, name, self._context, keep=True)
        for warning in found.warnings:
            self._context.warn(f"{name}: {warning}")
        return found.text

    def _earlier_manifests(self, path: str) -> list[Manifest]:
        """What a version of a file may build on: the one that was converted last, not what HEAD has."""
        last = self._last_manifest(path)
        return [last] if last else []

    def _last_manifest(self, name: str) -> Manifest | None:
        """The version of a file that was converted before this one: what did not change since is stored already."""
        text = self._last.get(name)
        return try_manifest(text) if text else None


def _explain_loss(pointer: LfsPointer, name: str, objects: LfsObjects) -> CorruptObject | MissingObject:
    hint = "git lfs fsck names what is damaged; after its removal: git lfs fetch --all"
    if objects.has(pointer):
        return CorruptObject(f"git-lfs's object {pointer.oid} is not what its name says", hint=hint, path=name)
    return MissingObject(f"git-lfs's object {pointer.oid} went meanwhile", hint="git lfs fetch --all", path=name)
