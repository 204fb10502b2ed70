"""What the golden sets hold, as seeds: files by their format, manifests, and stored parts with their objects."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import BinaryIO

from git_theta.errors import MissingObject
from git_theta.manifest.model import Entry, Manifest
from git_theta.manifest.text import decode_manifest
from git_theta.operations.context import Context
from git_theta.operations.restoring.restore import restore_pieces
from git_theta.operations.state_database import StateDatabase
from git_theta.operations.workers import Workers
from git_theta.store.memory import MemoryStore

_GOLDEN = Path(__file__).parents[1] / "golden"
_LARGEST_FILE = 200_000
"""Bytes of a file, and of a part: what is larger has nothing in it that small ones lack, and takes its time."""


class ForgedStore:
    """The golden objects, one of which has other bytes.

    Args:
        oid: which.
        content: what it holds instead.
    """

    def __init__(self, oid: str, content: bytes) -> None:
        self._oid, self._content = oid, content

    def get(self, oid: str) -> BinaryIO:
        """As ``store.base.ObjectReader`` says."""
        if oid == self._oid:
            return io.BytesIO(self._content)
        return golden_store().get(oid)

    def size(self, oid: str) -> int | None:
        """As ``store.base.Store.size`` says."""
        return len(self._content) if oid == self._oid else golden_store().size(oid)


@cache
def golden_store() -> MemoryStore:
    """All objects of all sets."""
    store = MemoryStore()
    for file in _GOLDEN.glob("[0-9]*/objects/*/*/*"):
        store.put([file.read_bytes()])
    return store


@cache
def golden_context() -> Context:
    """What restores from these objects; it remembers in a folder that lasts as long as the process."""
    folder = Path(_temporary_folder().name)
    return Context(golden_store(), StateDatabase(folder / "state"), Workers(), folder, lambda _: None)


@cache
def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


@cache
def golden_manifests() -> tuple[bytes, ...]:
    """The texts of all manifests of small files, each once."""
    texts = dict.fromkeys(file.read_bytes() for file in sorted(_GOLDEN.glob("[0-9]*/manifests/*")))
    return tuple(text for text in texts if decode_manifest(text).size <= _LARGEST_FILE)


def _manifests() -> Iterator[Manifest]:
    return map(decode_manifest, golden_manifests())


def files_of(format_name: str) -> list[bytes]:
    """The golden files of a format."""
    files = (manifest for manifest in _manifests() if manifest.format == format_name)
    return [b"".join(map(bytes, restore_pieces(file, golden_context()))) for file in files]


@cache
def parts_of(update: str) -> tuple[Entry, ...]:
    """The parts that are stored with an update: one of each way of coding, name and dtype."""
    parts = (part for manifest in map(decode_manifest, _all_manifests()) for part in manifest.parts())
    found = {
        (part.storage.coding.serializer, part.name, part.dtype): part
        for part in parts
        if part.storage.coding.update == update and part.size <= _LARGEST_FILE
    }
    return tuple(found.values())


def _all_manifests() -> Iterator[bytes]:
    return (file.read_bytes() for file in sorted(_GOLDEN.glob("[0-9]*/manifests/*")))


def payload_of(part: Entry) -> bytes:
    """What is stored of a part. Raises MissingObject where the sets lack it."""
    pieces = []
    for oid, _ in part.storage.place.objects():
        with golden_store().get(oid) as file:
            file.seek(part.storage.place.offset)
            pieces.append(file.read(part.storage.place.size))
    if not pieces:
        raise MissingObject(f"nothing is stored of {part.name}")
    return b"".join(pieces)
