"""Versions of a checkpoint in different layouts, made alike: laid out anew from their bytes, by the formats of now.

A file that was added before its format was known is kept whole on one branch, and by parameters on another; of a
checkpoint of several files, some are. Compared or merged as they are, all of it would differ.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import chain, compress

from git_theta.checkpoints.shards import CheckpointPair, Shard
from git_theta.errors import CorruptObject, ManifestError, MissingObject, PluginError
from git_theta.formats.base import FORMATS
from git_theta.formats.detect import OPAQUE
from git_theta.manifest.model import Manifest
from git_theta.manifest.near_manifest import resembles_manifest
from git_theta.manifest.text import decode_manifest, encode_manifest
from git_theta.operations.adding.split import split_source
from git_theta.operations.adding.spool import spool_pieces
from git_theta.operations.context import NOT_SHOWN, Context
from git_theta.operations.foreign import detect_pointer
from git_theta.operations.restoring.restore import (
    describe_inflation,
    is_inflated,
    missing_objects,
    require_objects,
    restore_pieces,
)
from git_theta.plugin_guard import PluginId
from git_theta.tensors.arrays import Buffer

Files = Sequence[Shard | None]
"""Files of versions of one checkpoint, of all of them in any order; None for one that is not there."""


def has_several_layouts(files: Iterable[Shard | None]) -> bool:
    """Whether these files are of several formats."""
    return len({file.manifest.format for file in files if file}) > 1


def unify_layouts(files: Files, context: Context, *, keep: bool = True, split: bool = False) -> list[Shard | None]:
    """The files of versions of a checkpoint in the richest layout that there is for them.

    Args:
        files: the files.
        context: what to work with.
        keep: whether all that the manifests name is to be stored. Without it they tell names and identities alone, what
            they say of storage is not to be believed, and nothing is fetched for them.
        split: whether to lay out those that are kept whole where all are, too.

    As it is stays what has one layout, what no installed format reads, and, after a word about it, what cannot be read.
    Those that are kept whole are laid out first; where several formats are left then, all are, if that makes them one.
    Not so where names end differently: such files were converted from one format to another.
    """
    kept = list(files)
    if not has_several_layouts(kept) and not (split and _formats_of(kept) == {OPAQUE}):
        return kept
    layouts = _Layouts(context, keep=keep)
    found = layouts.lay_out(kept, lambda file: file.manifest.is_opaque)
    if len(_formats_of(found) - {OPAQUE}) > 1 and len({posixpath.splitext(file.path)[1] for file in kept if file}) == 1:
        anew = layouts.lay_out(kept, lambda _: True)
        return anew if len(_formats_of(anew) - {OPAQUE}) == 1 else found
    return found


def lay_out_raw(path: str, blob: str, content: Callable[[], Iterable[Buffer]], context: Context) -> Manifest | None:
    """What Git would hold for a file that it holds as it is, were it added now; None for what stands for another one.

    Args:
        path: what it is called.
        blob: its id.
        content: reads it.
        context: what to work with.

    All that the manifest names is stored, and it is remembered.
    """
    return _Layouts(context, keep=True).lay_out_raw(path, blob, content)


def unify_pair(pair: CheckpointPair, context: Context, *, keep: bool = True, split: bool = False) -> CheckpointPair:
    """A checkpoint before and after, in one layout; see ``unify_layouts``. What is the same in both stays."""
    path, before, after = pair
    files = (*before, *after)
    if not has_several_layouts(files) and not split:
        return pair
    differs = [file not in before or file not in after for file in files]
    found = iter(unify_layouts(list(compress(files, differs)), context, keep=keep, split=True))
    laid = [next(found) if is_other else file for file, is_other in zip(files, differs, strict=True)]
    shards = tuple([shard for shard in laid if shard])
    return path, shards[: len(before)], shards[len(before) :]


def _formats_of(files: Files) -> set[str]:
    return {file.manifest.format for file in files if file}


class _Layouts:
    """Files laid out anew: each of them once, however many versions have it."""

    def __init__(self, context: Context, *, keep: bool) -> None:
        self._context = context if keep else context._replace(fetch=lambda _: [])
        self._keep = keep
        self._found: dict[str, Manifest] = {}

    def lay_out(self, files: Files, wanted: Callable[[Shard], bool]) -> list[Shard | None]:
        """The files, those that are wanted by what the installed formats find in them."""
        return [file and (self._find_layout(file) if wanted(file) else file) for file in files]

    def _find_layout(self, file: Shard) -> Shard:
        text = hashlib.sha256(encode_manifest(file.manifest)).hexdigest()
        key = self._key_of(text, file.path, "layout" if self._keep else "layout of identities")
        if key not in self._found:
            try:
                self._found[key] = self._recall(key) or self._lay_out_anew(file, key)
            except (MissingObject, CorruptObject, PluginError) as error:
                hint = "" if self._keep or isinstance(error, CorruptObject) else ". To have all: git theta fetch --all"
                self._context.warn(
                    f"{file.path}: its versions are laid out differently, and cannot be made alike: {error}{hint}"
                )
                self._found[key] = file.manifest
        return file._replace(manifest=self._found[key])

    def _recall(self, key: str) -> Manifest | None:
        """What came of it before, as it takes reading all of the file; None where that is not here any more."""
        with suppress(ManifestError):
            known = decode_manifest((self._context.state.computed_of(key) or "").encode())
            return None if self._keep and missing_objects(known, self._context) else known
        return None

    def _lay_out_anew(self, file: Shard, key: str) -> Manifest:
        """The file by what the installed formats find in it."""
        if is_inflated(file.manifest, self._context):
            self._context.warn(f"{file.path}: {describe_inflation(file.manifest)}")
            return file.manifest
        require_objects(file.manifest, self._context)
        return self._split(file.path, restore_pieces(file.manifest, self._context._replace(progress=NOT_SHOWN)), key)

    def lay_out_raw(self, path: str, blob: str, content: Callable[[], Iterable[Buffer]]) -> Manifest | None:
        """A file that Git holds as it is; see the function of that name."""
        key = self._key_of(blob, path, "layout of a raw file")
        if known := self._recall(key):
            return known
        pieces = iter(content())
        head = bytes(next(pieces, b""))
        if not head or detect_pointer(head) or resembles_manifest(head):
            return None
        return self._split(path, chain([head], pieces), key)

    def _split(self, path: str, pieces: Iterable[Buffer], key: str) -> Manifest:
        anew = self._context._replace(staged_manifest=lambda _: None, pins_layout=lambda: False, progress=NOT_SHOWN)
        with spool_pieces(pieces, anew.scratch) as spool:
            text = split_source(spool, path, anew, keep=self._keep).text
        self._context.state.remember_computed({key: text.decode()})
        return decode_manifest(text)

    def _key_of(self, content: str, path: str, kind: str) -> str:
        """What tells a layout from others: the file, its name, and the formats that may read it, or are chosen to."""
        formats = [[name, *PluginId("formats", name).find_package()] for name in sorted(FORMATS.list_names())]
        said = [kind, content, path, formats, self._context.chosen_format(path)]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()
