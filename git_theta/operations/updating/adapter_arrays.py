"""The arrays of an adapter's file: any file that a format reads, in the repository or not."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from git_theta.errors import FormatError, UsageError
from git_theta.formats.base import Span
from git_theta.formats.detect import OPAQUE, detect_format
from git_theta.operations.foreign import detect_stand_in
from git_theta.operations.streams import HEAD_SIZE, FileSource, SourceValues, open_file_source
from git_theta.tensors.values import Values


@contextmanager
def open_arrays(file: Path) -> Iterator[Mapping[str, Values]]:
    """The tensors of a file by name; nothing but headers is read before somebody reads them, within the ``with`` block.

    A symbolic link is followed: the person named it. Raises UsageError where there is no such file, or it stands for
    another one, FormatError where no format reads it.
    """
    source = open_file_source(Path(os.path.realpath(file)))
    if source is None:
        raise UsageError("there is no such file", hint="Name an adapter's folder or file.", path=str(file))
    with closing(source):
        yield _find_arrays(source, file)


def _find_arrays(source: FileSource, file: Path) -> dict[str, Values]:
    head = source.read(0, min(HEAD_SIZE, source.size))
    if stand_in := detect_stand_in(head):
        raise UsageError(f"it is {stand_in.what}", hint=stand_in.hint, path=str(file))
    found = detect_format(source, head, file.name)
    if found.format == OPAQUE:
        raise FormatError(
            found.problem or "no format reads it",
            hint="Adapters are safetensors files, or what torch.save writes.",
            path=str(file),
        )
    return {name: values for span in found.spans for name, values in _name_values(span, source, file)}


def _name_values(span: Span, source: FileSource, file: Path) -> Iterator[tuple[str, Values]]:
    for name, spec, is_window in [
        (span.name, span.spec, False),
        *((view.name, view.spec, view.stride is not None or view.offset != 0) for view in span.views),
    ]:
        if is_window or spec.nbytes != span.size:
            raise FormatError(
                "it is a window on a tensor that others share",
                hint="Save it contiguous: tensor.contiguous().clone().",
                path=str(file),
                parameter=name,
            )
        yield name, SourceValues(spec, span.size, source, span.offset)
