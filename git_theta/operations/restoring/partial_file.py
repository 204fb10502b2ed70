"""A checkpoint of which some parameters are lost, written with zeros in their place, so that the rest can be used.

A note about it is kept, so that nobody records the zeros without knowing: ``require_whole`` is asked by clean.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import ManifestError, MissingObject, UsageError
from git_theta.manifest.model import Entry, Manifest
from git_theta.manifest.text import decode_manifest
from git_theta.operations.context import Context
from git_theta.operations.restoring.materialise import materialise_file
from git_theta.operations.restoring.restore import missing_objects, read_runs, require_size
from git_theta.parameters.value_decoding import read_values
from git_theta.tensors.arrays import Buffer
from git_theta.words import join_some

_BLOCK = 1 << 20


class PartialFile(NamedTuple):
    """A checkpoint of which some parameters (``lost``) are to be zeros."""

    path: str
    manifest: Manifest
    lost: tuple[Entry, ...]

    @property
    def names(self) -> list[str]:
        """The parameters that are lost."""
        return [part.name or "" for part in self.lost]


def find_lost(path: str, manifest: Manifest, context: Context) -> PartialFile:
    """What is lost of a checkpoint, here and on all remotes. Nothing is fetched.

    Raises MissingObject where something is lost that is no parameter: without it there is no checkpoint around zeros.
    """
    require_size(manifest)
    missing = set(missing_objects(manifest, context))
    lost = tuple(part for part in manifest.parts() if missing & part.storage.objects().keys())
    if any(part.name is None for part in lost):
        raise MissingObject(
            "what is lost of it is no parameter, and nothing can stand in its place",
            hint="Ask who made the commit to push it: git push",
            path=path,
        )
    return PartialFile(path, manifest, lost)


def write_partial(file: PartialFile, content: bytes, top: Path, notes: Path, context: Context) -> bool:
    """Put a partial checkpoint in the place of its manifest (``content``), and note it; whether that was there still.

    Git then calls the file modified, as it is.
    """
    note = _note_path(notes, file.path)
    note.parent.mkdir(parents=True, exist_ok=True)
    zeros = {part.name: _zero_oid(part.size) for part in file.lost}
    note.write_text(json.dumps({"path": file.path, "zeros": zeros}))  # first: a note without a file harms nobody
    return bool(materialise_file(file.manifest, content, top / file.path, context, pieces=_pieces(file, context)))


def require_whole(path: str, text: bytes, notes: Path) -> None:
    """Raise UsageError where a manifest that is about to be recorded has zeros that ``write_partial`` wrote.

    The note goes where it has none of them any more.
    """
    note = _note_path(notes, path)
    if not note.exists():
        return
    zeros: dict[str, str] = {}
    with suppress(ValueError, KeyError):
        zeros = json.loads(note.read_text())["zeros"]
    with suppress(ManifestError):
        found = [part.name for part in decode_manifest(text).parameters() if zeros.get(part.name or "") == part.oid]
        if found:
            raise UsageError(
                f"{join_some([name or '' for name in found])}: zeros that `git theta checkout --partial` wrote",
                hint="The file as it was: git restore PATH, once its objects can be had.\n"
                f"If these zeros are meant to be recorded, delete {note}",
            )
    forget_partial(path, notes)


def forget_partial(path: str, notes: Path) -> None:
    """The file is whole, or another one."""
    _note_path(notes, path).unlink(missing_ok=True)


def _pieces(file: PartialFile, context: Context) -> Iterator[Buffer]:
    runs = read_runs(file.manifest, context)
    lost = set(map(id, file.lost))
    for part in file.manifest.entries:
        yield next(runs)
        yield from (_zeros(part.size) if id(part) in lost else read_values(part, context.store, context.workers.map))
    yield next(runs)


def _zeros(size: int) -> Iterator[bytes]:
    for begin in range(0, size, _BLOCK):
        yield bytes(min(_BLOCK, size - begin))


def _zero_oid(size: int) -> str:
    digest = hashlib.sha256()
    for block in _zeros(size):
        digest.update(block)
    return digest.hexdigest()


def _note_path(notes: Path, path: str) -> Path:
    return notes / hashlib.sha256(path.encode(errors="surrogateescape")).hexdigest()
