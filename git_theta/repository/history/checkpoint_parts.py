"""The parameters of a checkpoint's files as values that can be read: stored ones verified, a raw file's as they stand.

Nothing is read before somebody asks for it, but the layout of files that are not stored by parameters.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from git_theta.checkpoints.index_file import places_named_by
from git_theta.errors import FormatError, MissingObject, UsageError
from git_theta.formats.detect import OPAQUE, detect_format
from git_theta.manifest.model import Entry
from git_theta.operations.availability import fetch_hint
from git_theta.operations.foreign import detect_stand_in
from git_theta.operations.streams import HEAD_SIZE, FileSource, open_file_source
from git_theta.parameters.value_decoding import read_values
from git_theta.repository.history.checkpoint_files import CheckpointFile, CheckpointFiles
from git_theta.repository.history.named_part import NamedPart
from git_theta.repository.history.raw_parts import WatchedFile, name_spans
from git_theta.repository.stores.object_stores import open_store
from git_theta.repository.stores.opening import open_context
from git_theta.store.base import Store, select_missing
from git_theta.tensors.arrays import Buffer, Parallel
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import run_git, work_in_folder

_COPY_SIZE = 1 << 20
_KEPT_WHOLE_HINT = "Its bytes as a file: git theta checkout, or checkout_dir() in Python."


class PartReader:
    """Opens the parts of a repository's checkpoints.

    Args:
        repository: the one to read in.
        folder: in which git works for it.
        warn: says one thing to the person.
    """

    def __init__(self, repository: Repository, folder: Path, warn: Callable[[str], None]) -> None:
        self._repository = repository
        self._folder = folder
        self._warn = warn

    def __getstate__(self) -> dict[str, Any]:
        """For another process (pickle), which opens the store itself."""
        return {name: value for name, value in vars(self).items() if name != "store"}

    @cached_property
    def store(self) -> Store:
        """Where objects are."""
        with work_in_folder(self._folder):
            return open_store(self._repository)

    def read_parts(self, found: CheckpointFiles) -> dict[str, NamedPart]:
        """Every name of a checkpoint, in file order; of one that stands in several shards, that which the index names.

        Raises FormatError for a raw file that is damaged, UsageError for one that has no parameters at all.
        """
        places = places_named_by(found.path, found.index_text) if found.index_text else {}
        parts: dict[str, NamedPart] = {}
        for file in found.files:
            for part in self._parts_of(file):
                if part.name not in parts or places.get(part.name) == file.path:
                    parts[part.name] = part
        return parts

    def bring_objects(self, objects: Mapping[str, int]) -> int:
        """Have these objects (oid to size) in the store, after asking the remotes once; how many were fetched.

        Raises MissingObject where one cannot be had.
        """
        missing = select_missing(objects, self.store)
        if not missing:
            return 0
        with work_in_folder(self._folder), open_context(self._repository, self._warn) as context:
            reasons = context.fetch(missing)
        left = select_missing(missing, self.store)
        if left:
            raise MissingObject(
                f"{len(left)} objects of it are missing here, {min(left)} first", hint=fetch_hint(reasons)
            )
        return len(missing)

    def _parts_of(self, file: CheckpointFile) -> Iterator[NamedPart]:
        if file.manifest is None:
            return self._raw_parts(file)
        if file.manifest.is_opaque:
            raise _no_parameters(file.path)
        return (part for entry in file.manifest.parameters() for part in self._stored_names(entry, file.path))

    def _stored_names(self, entry: Entry, path: str) -> Iterator[NamedPart]:
        part = _StoredPart(entry, self)
        if not entry.views or entry.views[0].name != entry.name:
            yield NamedPart(entry.name or "", entry.dtype, entry.shape, None, 0, part, path)
        for view in entry.views:
            yield NamedPart(view.name, view.dtype, view.shape, view.stride, view.offset, part, path)

    def _raw_parts(self, file: CheckpointFile) -> Iterator[NamedPart]:
        open_source = partial(open_file_source, file.file) if file.file else partial(self._spool_blob, file.blob)
        opened = WatchedFile(open_source, file.path)
        source = opened.source
        head = source.read(0, min(HEAD_SIZE, source.size))
        if stand_in := detect_stand_in(head):
            raise UsageError(f"it is {stand_in.what}: no checkpoint", hint=stand_in.hint, path=file.path)
        found = detect_format(source, head, file.path)
        if found.format == OPAQUE:
            raise FormatError(found.problem, path=file.path) if found.problem else _no_parameters(file.path)
        return (part for span in found.spans for part in name_spans(span, opened, file.path))

    def _spool_blob(self, oid: str) -> FileSource:
        """The blob as a file without a name, which lasts as long as it is open."""
        scratch = self._repository.theta_dir / "tmp"
        scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=scratch, prefix="spool-") as file:
            with work_in_folder(self._folder), run_git("cat-file", "blob", oid) as content:
                while block := content.read(_COPY_SIZE):
                    file.write(block)
            file.flush()
            return FileSource(Path(file.name))


class _StoredPart:
    """A part that is in the store, or can be fetched."""

    def __init__(self, entry: Entry, reader: PartReader) -> None:
        self._entry = entry
        self._reader = reader
        self.size, self.oid = entry.size, entry.oid

    def objects(self) -> Mapping[str, int]:
        return self._entry.storage.objects()

    def pieces(self, parallel: Parallel) -> Iterator[Buffer]:
        """Raises MissingObject, CorruptObject, PluginError."""
        return read_values(self._entry, self._reader.store, parallel)


def _no_parameters(path: str) -> UsageError:
    return UsageError("it has no parameters: no format reads it", hint=_KEPT_WHOLE_HINT, path=path)
