"""What a version is stored as: its tensors, and the bytes between them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from benchmarks.delta_ratios import Tensors, read_tensors
from git_theta.formats.detect import OPAQUE, detect_format
from git_theta.operations.streams import HEAD_SIZE, FileSource
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues


def is_safetensors(file: Path) -> bool:
    """Whether other people's tools read the file."""
    return file.suffix == ".safetensors"


def read_parts(file: Path) -> Tensors:
    """Tensors by name. Of a file that is no safetensors file, as git-theta finds them, and one more, bytes of U8: all
    that lies between them, under the file's path, so that no other version has it for a base.

    Raises ValueError where git-theta finds no tensors.
    """
    return read_tensors(file) if is_safetensors(file) else _split_file(file)


def _split_file(file: Path) -> Tensors:
    whole = file.read_bytes()
    with closing(FileSource(file)) as source:
        found = detect_format(source, whole[:HEAD_SIZE], file.name)
    if found.format == OPAQUE:
        raise ValueError(f"{file}: {'; '.join(found.warnings) or 'of no format that is known'}")
    tensors, rest, end = {}, bytearray(), 0
    for span in found.spans:
        rest += whole[end : span.offset]
        end = span.offset + span.size
        tensors[span.name] = MemoryValues(span.spec, whole[span.offset : end])
    rest += whole[end:]
    return tensors | {str(file): MemoryValues(Spec(BY_NAME["U8"], (len(rest),)), bytes(rest))}
