"""The tensors of a file that is not stored by parameters: the worktree's, or one that Git holds as it is."""

from __future__ import annotations

import hashlib
import os
import weakref
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property

from git_theta.errors import ChangedFile
from git_theta.formats.base import Span
from git_theta.operations.streams import FileSource
from git_theta.repository.history.named_part import NamedPart
from git_theta.tensors.arrays import BLOCK, Buffer, Parallel


class WatchedFile:
    """A file that stays open as long as somebody holds this, and must stay as it was.

    A process that it is handed to (pickle) opens the file again: there, too, it must be as it was.

    Args:
        open_source: opens it; None where it is not there any more.
        path: what people call it.
        seen: how it looked when it was first opened.

    Raises ChangedFile.
    """

    def __init__(
        self, open_source: Callable[[], FileSource | None], path: str, seen: tuple[int, int, int] | None = None
    ) -> None:
        source = open_source()
        if source is None:
            raise ChangedFile("the file went away while it was opened", hint="Open it again.", path=path)
        self.source = source
        self._open_source = open_source
        self._path = path
        self._seen = seen or _describe_named(source.stat())
        weakref.finalize(self, source.close)
        self.require_unchanged()

    def __reduce__(self) -> tuple[type[WatchedFile], tuple[object, ...]]:
        return WatchedFile, (self._open_source, self._path, self._seen)

    def require_unchanged(self) -> None:
        """Raise ChangedFile where it was written to."""
        if self._seen and _describe(self.source.stat()) != self._seen:
            raise ChangedFile("the file was written to since it was opened", hint="Open it again.", path=self._path)


class _RawPart:
    """A stretch of a file. Nobody noted a hash of it: what is read is what stands there."""

    def __init__(self, offset: int, size: int, file: WatchedFile) -> None:
        self.size = size
        self._offset = offset
        self._file = file

    @cached_property
    def oid(self) -> str:
        digest = hashlib.sha256()
        for piece in self.pieces(map):
            digest.update(piece)
        return digest.hexdigest()

    def objects(self) -> Mapping[str, int]:
        return {}

    def pieces(self, parallel: Parallel) -> Iterator[Buffer]:  # noqa: ARG002 (nothing has to be decoded)
        """Raises ChangedFile."""
        for start in range(0, self.size, BLOCK):
            yield self._file.source.read(self._offset + start, min(BLOCK, self.size - start))
        self._file.require_unchanged()


def name_spans(span: Span, file: WatchedFile, path: str) -> Iterator[NamedPart]:
    """Every name of a tensor of a file, its own first."""
    part = _RawPart(span.offset, span.size, file)
    if not span.views or span.views[0].name != span.name:
        yield NamedPart(span.name, span.spec.dtype.name, span.spec.shape, None, 0, part, path)
    for view in span.views:
        yield NamedPart(view.name, view.spec.dtype.name, view.spec.shape, view.stride, view.offset, part, path)


def _describe(found: os.stat_result) -> tuple[int, int, int]:
    """How a file looks that nobody wrote to. Its ctime does not count: whoever renames it changes no byte."""
    return found.st_size, found.st_mtime_ns, found.st_ino


def _describe_named(found: os.stat_result) -> tuple[int, int, int] | None:
    """The same of a file that others can write to; None of one that never had a name for them."""
    return _describe(found) if found.st_nlink else None
