"""Files found anywhere, as their manifests would be: nothing of them is stored, and none need be of this repository."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from git_theta.checkpoints.index_file import is_index, shards_named_by
from git_theta.checkpoints.shards import shard_number
from git_theta.errors import UsageError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import MAX_MANIFEST, decode_manifest, is_manifest
from git_theta.operations.adding.split import split_source
from git_theta.operations.context import Context
from git_theta.operations.streams import HEAD_SIZE, open_file_source


class FoundFile(NamedTuple):
    """A file, and the manifest that it would have here, or that it is."""

    path: Path
    manifest: Manifest


def list_checkpoint_files(place: Path) -> list[Path]:
    """The files of the checkpoint that a path stands for: a file; an index; or a folder, with an index or with shards.

    Raises UsageError where there is nothing of that kind.
    """
    if place.is_dir():
        inside = sorted(file for file in place.iterdir() if file.is_file())
        indexes = [file for file in inside if is_index(file.name)]
        if len(indexes) > 1:
            raise UsageError("is a folder of several checkpoints", hint="Name one of its indexes.", path=str(place))
        if indexes:
            return list_checkpoint_files(indexes[0])
        found = [file for file in inside if shard_number(file.name)]
        if not found:
            raise UsageError("has no index of shards", hint="Name a file in it.", path=str(place))
        return found
    if is_index(place.name) and place.is_file() and place.stat().st_size <= MAX_MANIFEST:
        named = shards_named_by(place.name, place.read_bytes())
        return [place.parent / name for name in named] if named else [place]
    return [place]


def read_found_files(files: Iterable[Path], context: Context) -> list[FoundFile]:
    """The files with their manifests: every byte of them is hashed. Raises UsageError for what is no file."""
    # A file of that name in the index says nothing of this one: without it, nothing here is ever stored.
    alone = context._replace(staged_manifest=lambda _: None)
    return [FoundFile(file, _read_manifest(file, alone)) for file in files]


def _read_manifest(file: Path, context: Context) -> Manifest:
    # A symbolic link is followed: the person named it, and folders of downloads are made of them.
    source = open_file_source(Path(os.path.realpath(file)))
    if source is None:
        raise UsageError("is no file", hint="Name a checkpoint's file, or the folder of its shards.", path=str(file))
    with closing(source):
        if source.size <= MAX_MANIFEST and is_manifest(source.read(0, min(source.size, HEAD_SIZE))):
            return decode_manifest(source.read(0, source.size))
        return decode_manifest(split_source(source, file.name, context, keep=False).text)
